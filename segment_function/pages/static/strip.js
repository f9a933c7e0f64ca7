// The pictures of a batch in a row: a button each, with a small picture and how far it is.

const $ = (id) => document.getElementById(id);

const STATES = {
  waiting: "waiting",
  working: "being cut out",
  done: "done",
  failed: "failed",
  stopped: "stopped",
};
const SIDE = 96; // pixels of the small pictures, which are drawn once: large ones would stay decoded

let buttons = new Map();
const wanted = new WeakMap(); // canvas -> the blob that it is to show in the end

// items: those of app.js. `onSelect(item)` is called when one is chosen.
export function fill(items, onSelect) {
  buttons = new Map(items.map((item) => [item, buttonOf(item, onSelect)]));
  $("strip").replaceChildren(
    ...Array.from(buttons.values(), (button) => {
      const entry = document.createElement("li");
      entry.append(button);
      return entry;
    }),
  );
  $("batch").hidden = items.length < 2;
}

export function update(item) {
  const button = buttons.get(item);
  if (!button) return;
  button.dataset.state = item.state;
  button.title = button.ariaLabel = `${item.name}: ${STATES[item.state]}`;
}

export function select(item) {
  for (const [one, button] of buttons) button.setAttribute("aria-current", String(one === item));
  buttons.get(item)?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// A small form of the original, and later of the result in its place.
export async function draw(item, blob) {
  const canvas = buttons.get(item)?.querySelector("canvas");
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

function buttonOf(item, onSelect) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "thumb";
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const label = document.createElement("span");
  label.textContent = item.name;
  button.append(canvas, label);
  button.addEventListener("click", () => onSelect(item));
  return button;
}
