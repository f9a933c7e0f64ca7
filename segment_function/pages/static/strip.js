// All pictures in a row: each has a button with its thumbnail and state, and one to remove it. Another adds more.

import { certainty } from "./certainty.js";

const $ = (id) => document.getElementById(id);

const STATES = {
  waiting: "waiting",
  working: "being cut out",
  done: "done",
  failed: "failed",
  stopped: "stopped",
};
const SIDE = 96; // pixels; thumbnails are drawn once, because large images would stay decoded

const entries = new Map(); // item -> its <li>
const wanted = new WeakMap(); // canvas -> the blob that it should show in the end
let handlers = {};

// handlers: { select(item), remove(item), add() }
export function start(newHandlers) {
  handlers = newHandlers;
  const entry = document.createElement("li");
  const button = textButton("add", "+ Add", "Add pictures");
  button.addEventListener("click", () => handlers.add());
  entry.append(button);
  $("strip").replaceChildren(entry);
}

export function add(item) {
  const entry = document.createElement("li");
  const thumb = document.createElement("button");
  thumb.type = "button";
  thumb.className = "thumb";
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const label = document.createElement("span");
  label.textContent = item.name;
  thumb.append(canvas, label);
  thumb.addEventListener("click", () => handlers.select(item));
  thumb.addEventListener("keydown", (event) => {
    if (event.key === "Delete") handlers.remove(item);
  });
  const remove = textButton("remove", "×", `Remove ${item.name}`);
  remove.addEventListener("click", () => handlers.remove(item));
  entry.append(thumb, remove);
  entries.set(item, entry);
  $("strip").lastElementChild.before(entry);
  update(item);
}

function textButton(className, text, name) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className, textContent: text, title: name, ariaLabel: name });
  return button;
}

// Removes the picture; if it had the focus, its neighbour gets it.
export function remove(item) {
  const entry = entries.get(item);
  if (!entry) return;
  const neighbour = entry.nextElementSibling.querySelector(".thumb, .add");
  const hadFocus = entry.contains(document.activeElement);
  entry.remove();
  entries.delete(item);
  if (hadFocus) neighbour.focus();
}

export function update(item) {
  const thumb = thumbOf(item);
  if (!thumb) return;
  const { words, doubtful } = certainty(item.state === "done" ? item.result.uncertainty : null);
  thumb.dataset.state = item.state;
  thumb.classList.toggle("doubtful", doubtful);
  thumb.title = thumb.ariaLabel = `${item.name}: ${STATES[item.state]}${doubtful ? `, ${words}` : ""}`;
}

export function select(item) {
  for (const one of entries.keys()) thumbOf(one).setAttribute("aria-current", String(one === item));
  thumbOf(item)?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

const thumbOf = (item) => entries.get(item)?.querySelector(".thumb");

// A thumbnail of the original, later of the result.
export async function draw(item, blob) {
  const canvas = thumbOf(item)?.querySelector("canvas");
  if (!canvas) return;
  wanted.set(canvas, blob);
  try {
    const bitmap = await createImageBitmap(blob);
    if (wanted.get(canvas) !== blob) return;
    const scale = Math.min(SIDE / bitmap.width, SIDE / bitmap.height);
    canvas.width = Math.max(1, bitmap.width * scale);
    canvas.height = Math.max(1, bitmap.height * scale);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
  } catch {
    // A format that the browser does not show: the button keeps its name.
  }
}
