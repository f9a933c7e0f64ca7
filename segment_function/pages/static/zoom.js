// The scale of the large picture: fitted to the stage, or in steps up to 400 %, by buttons, wheel, pinch and keys.

const STEPS = [0.25, 0.5, 1, 2, 4]; // CSS pixels for each pixel of the picture
const STAGE_HEIGHT = 0.6; // of the window, as in app.css
const MOST_WHEN_FITTED = 2;
const WHEEL_STEP = 60; // of deltaY; a notch of most wheels is 100 to 120
const PINCH_STEP = 1.3; // growth of the distance of two fingers for one step
const REST_MS = 400; // without scrolling, after which the wheel zooms again
const GRID = 64; // side of the small copy in which the middle of the subject is found
const MIDDLE = { x: 0.5, y: 0.5 };

const $ = (id) => document.getElementById(id);

let picture = null; // the <img> of the result
let scale = null; // null: fitted
const fingers = new Map();
let spread = 0; // distance of the two fingers at the last step

export const isEnlarged = () => scale !== null;
export const isPinching = () => fingers.size > 1;

// Show that picture, fitted; null for none.
export function reset(image) {
  picture = image;
  set(null);
}

function fitted() {
  const { naturalWidth: width, naturalHeight: height } = picture;
  const { clientWidth } = $("stage");
  return Math.min(MOST_WHEN_FITTED, clientWidth / width, (STAGE_HEIGHT * innerHeight) / height);
}

// Only steps that are clearly larger than the fitted size.
const steps = () => STEPS.filter((step) => step > fitted() * 1.25);

const bigger = () => (isEnlarged() ? STEPS.find((step) => step > scale) : steps()[0]);
const smaller = () => steps().findLast((step) => step < (scale ?? 0)) ?? null;

// at: { x, y, clientX, clientY }: the point of the picture (x, y: 0..1) to show at that point of the window.
function set(newScale, at) {
  scale = newScale;
  $("stage").classList.toggle("enlarged", isEnlarged());
  $("stage").classList.toggle("pixels", scale >= 2);
  if (isEnlarged()) $("frame").style.setProperty("--zoom", scale);
  $("zoom").textContent = isEnlarged() ? `${scale * 100} %` : "Fit";
  $("zoom").setAttribute("aria-pressed", String(isEnlarged()));
  $("zoom-in").disabled = picture !== null && bigger() === undefined;
  $("zoom-out").disabled = !isEnlarged();
  if (!isEnlarged() || !at) return;
  const { left, top, width, height } = $("frame").getBoundingClientRect();
  $("stage").scrollBy(left + at.x * width - at.clientX, top + at.y * height - at.clientY);
}

function zoomTo(newScale, at = atMiddle()) {
  if (picture && newScale !== undefined) set(newScale, at);
}

// The middle of the stage stays in place; from the fitted picture on, the middle of the subject does.
function atMiddle() {
  const { left, top } = $("stage").getBoundingClientRect();
  const place = { clientX: left + $("stage").clientWidth / 2, clientY: top + $("stage").clientHeight / 2 };
  return isEnlarged() ? under(place) : { ...place, ...middleOfSubject() };
}

function under({ clientX, clientY }) {
  const { left, top, width, height } = $("frame").getBoundingClientRect();
  return { clientX, clientY, x: (clientX - left) / width, y: (clientY - top) / height };
}

// The mean position of opaque pixels; in a matte, of white ones.
function middleOfSubject() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = GRID;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, GRID, GRID);
  const { data } = context.getImageData(0, 0, GRID, GRID);
  const isMatte = data.every((value, at) => at % 4 !== 3 || value === 255);
  const sum = { weight: 0, x: 0, y: 0 };
  for (let at = 0; at < GRID * GRID; at += 1) {
    const weight = data[4 * at + (isMatte ? 0 : 3)];
    sum.weight += weight;
    sum.x += weight * ((at % GRID) + 0.5);
    sum.y += weight * (Math.floor(at / GRID) + 0.5);
  }
  return sum.weight ? { x: sum.x / sum.weight / GRID, y: sum.y / sum.weight / GRID } : MIDDLE;
}

// If the wheel is already scrolling the page, it goes on; if it starts over the picture, it zooms.
function followWheel() {
  let turned = 0;
  let scrolled = -Infinity;
  document.addEventListener("scroll", ({ target, timeStamp }) => {
    if (target === document) scrolled = timeStamp;
  });
  $("stage").addEventListener("wheel", (event) => {
    if (!picture) return;
    const pinches = event.ctrlKey; // this is how browsers report a pinch on a touchpad
    if (!pinches && !isEnlarged() && (event.deltaY > 0 || event.timeStamp - scrolled < REST_MS)) return;
    event.preventDefault();
    const delta = event.deltaY * (pinches ? 4 : 1) * (event.deltaMode ? 40 : 1);
    turned = Math.sign(turned) === Math.sign(delta) ? turned + delta : delta;
    if (Math.abs(turned) < WHEEL_STEP) return;
    turned = 0;
    zoomTo(delta < 0 ? bigger() : smaller(), under(event));
  }, { passive: false });
}

function followFingers() {
  const distance = () => {
    const [one, other] = fingers.values();
    return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  };
  $("stage").addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) spread = distance();
  });
  $("stage").addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, event);
    if (fingers.size !== 2 || !picture) return;
    const ratio = distance() / spread;
    if (ratio < PINCH_STEP && ratio > 1 / PINCH_STEP) return;
    spread = distance();
    const [one, other] = fingers.values();
    const between = { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 };
    zoomTo(ratio > 1 ? bigger() : smaller(), under(between));
  });
  for (const type of ["pointerup", "pointercancel"]) {
    document.addEventListener(type, ({ pointerId }) => fingers.delete(pointerId));
  }
  // Two fingers zoom, one scrolls. Otherwise the browser would scroll with two as well.
  $("stage").addEventListener("touchmove", (event) => {
    if (event.touches.length > 1 && picture) event.preventDefault();
  }, { passive: false });
}

// Only while the picture or its tools have the focus; elsewhere keys are for the browser and for fields.
function followKeys() {
  $("result").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, [type=text]")) return;
    if (!picture || !["+", "=", "-", "0", "1"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "0") zoomTo(null);
    else if (event.key === "1") zoomTo(1);
    else zoomTo(event.key === "-" ? smaller() : bigger());
  });
}

export function start() {
  followWheel();
  followFingers();
  followKeys();
  $("zoom-in").addEventListener("click", () => zoomTo(bigger()));
  $("zoom-out").addEventListener("click", () => zoomTo(smaller()));
  $("zoom").addEventListener("click", () => zoomTo(isEnlarged() ? null : 1));
}
