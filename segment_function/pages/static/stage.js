// The large picture: the original during a call, then the result, with a divider between before and after.

import * as zoom from "./zoom.js";

const SHOWN_BEFORE = "segment-divider-shown"; // in localStorage, after the divider has moved on a first visit
const NEAR_PX = 28; // from the divider: within this a pointer grabs it

const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");

let shown = null; // what is on the stage: { source, png or null }
let moving = 0; // the animation frame of the divider on a first visit

// A blob: URL keeps its bytes in memory until it is revoked. Returns whether the blob is another one than before.
const blobs = new WeakMap();
function setBlob(image, blob) {
  if (blobs.get(image) === blob) return false;
  if (image.src) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  blobs.set(image, blob);
  if (blob) image.src = URL.createObjectURL(blob);
  return true;
}

// view: "drop", "working", "failed" or "done".
function setView(view) {
  $("stage").dataset.view = view;
  $("drop").hidden = view !== "drop";
  $("failure").hidden = view !== "failed";
  $("note").hidden = view !== "working";
  $("tools").hidden = $("below").hidden = view !== "done";
  $("frame").hidden = view !== "done" && !(view === "working" && $("before").naturalWidth);
  if (view === "done") $("stage").tabIndex = 0; // so that keys can zoom and scroll it
  else $("stage").removeAttribute("tabindex");
}

function clear(view) {
  shown = null;
  stopMoving();
  setBlob($("before"), null);
  setBlob($("after"), null);
  zoom.reset(null);
  setView(view);
}

export function showDrop() {
  clear("drop");
}

export function showFailure() {
  clear("failed");
}

// The original, if the browser can show it, under a note.
export function showWorking({ source, name }, note) {
  $("note").textContent = note;
  if (shown?.source === source && !shown.png && source) return;
  stopMoving();
  shown = { source, png: null };
  setBlob($("after"), null);
  $("after").alt = "";
  $("before").alt = `${name} as it is`;
  if (setBlob($("before"), source)) $("before").hidden = true;
  zoom.reset(null);
  setView("working");
  setSplit(100);
}

// result: { png, source: File or null, name, kind }. Returns the size of the PNG in pixels, or null if something else
// has been shown meanwhile. Throws EncodingError if the browser cannot show it.
export async function showResult({ png, source, name, kind }) {
  const mine = { source, png };
  const isNew = shown?.png !== png;
  shown = mine;
  $("no-before").textContent = source
    ? "This browser cannot show the original."
    : "The original is on another host. This page loads nothing from other hosts.";
  if (setBlob($("before"), source)) $("before").hidden = true; // until it has loaded: browsers do not show all formats
  setBlob($("after"), png);
  $("after").alt = `${kind} of ${name}`;
  $("before").alt = `${name} as it was`;
  try {
    await $("after").decode();
  } catch (error) {
    if (shown === mine) throw error;
  }
  if (shown !== mine) return null;
  const size = { width: $("after").naturalWidth, height: $("after").naturalHeight };
  setRatio(size);
  if (isNew) zoom.reset($("after"));
  setView("done");
  setSplit(isNew ? 0 : $("compare").value);
  showOnce();
  return size;
}

function setRatio({ width, height }) {
  $("frame").style.setProperty("--width", `${width}px`);
  $("frame").style.setProperty("--ratio", String(width / height));
}

function setSplit(percent) {
  const comparable = !$("before").hidden;
  const done = Boolean(shown?.png);
  $("compare-field").hidden = !comparable;
  $("divider").hidden = !comparable || !done;
  $("no-before").hidden = comparable || Boolean(shown?.source && !$("before").complete);
  $("compare").value = percent;
  $("compare").setAttribute("aria-valuetext", `${Math.round(percent)} % original`);
  $("frame").style.setProperty("--split", comparable ? `${percent}%` : "0%");
}

// On a first visit the divider moves to the middle and back, to show that it can be moved.
function showOnce() {
  if (still.matches || $("before").hidden || !shown?.png || wasShown()) return;
  const begin = performance.now() + 500;
  const step = (now) => {
    const time = Math.min(1, Math.max(0, (now - begin) / 2000));
    setSplit(time < 1 ? 55 * Math.sin(Math.PI * time) ** 2 : 0);
    moving = time < 1 ? requestAnimationFrame(step) : 0;
  };
  moving = requestAnimationFrame(step);
}

function wasShown() {
  try {
    const before = localStorage.getItem(SHOWN_BEFORE);
    localStorage.setItem(SHOWN_BEFORE, "yes");
    return before !== null;
  } catch {
    return true; // no storage: rather never than on each visit
  }
}

function stopMoving() {
  cancelAnimationFrame(moving);
  moving = 0;
}

function splitAt({ clientX }) {
  const { left, width } = $("frame").getBoundingClientRect();
  stopMoving();
  setSplit(Math.min(100, Math.max(0, ((clientX - left) / width) * 100)));
}

function isNearDivider({ clientX, clientY }) {
  if ($("divider").hidden) return false;
  const { left } = $("divider").getBoundingClientRect();
  return Math.abs(clientX - left) < NEAR_PX && clientY > 0;
}

// A pointer near the divider moves it, and a click elsewhere brings it there. Dragging elsewhere with a mouse drags out
// the result if the picture is fitted, and scrolls it if it is enlarged; then touch scrolls, too.
function followPointer() {
  let held = null; // "divider" or "picture"
  let last = null;
  $("frame").addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !shown?.png) return;
    const touches = event.pointerType === "touch";
    if (isNearDivider(event) || (touches && !zoom.isEnlarged())) held = "divider";
    else held = zoom.isEnlarged() && !touches ? "picture" : null;
    last = event;
    $("after").draggable = !held;
    if (held === "divider") splitAt(event);
    if (held) $("frame").setPointerCapture(event.pointerId);
  });
  $("frame").addEventListener("pointermove", (event) => {
    if (zoom.isPinching()) held = null;
    if (held === "divider") splitAt(event);
    if (held === "picture") $("stage").scrollBy(last.clientX - event.clientX, last.clientY - event.clientY);
    if (held) last = event;
  });
  for (const type of ["pointerup", "pointercancel"]) {
    $("frame").addEventListener(type, () => {
      held = null;
    });
  }
  $("frame").addEventListener("click", (event) => {
    if (shown?.png && !zoom.isEnlarged()) splitAt(event);
  });
}

export function start() {
  followPointer();
  zoom.start();
  $("compare").addEventListener("input", () => {
    stopMoving();
    setSplit($("compare").value);
  });
  $("before").addEventListener("load", () => {
    $("before").hidden = false;
    if (shown?.png) {
      setSplit($("compare").value);
      showOnce();
    } else {
      setRatio({ width: $("before").naturalWidth, height: $("before").naturalHeight });
      setView("working");
      setSplit(100);
    }
  });
  $("before").addEventListener("error", () => setSplit($("compare").value));
}
