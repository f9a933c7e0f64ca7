// What is saved, copied and dragged out: a result on the chosen background, in the chosen format.

import * as backdrop from "./backdrop.js";
import { isTransparent, wordOf } from "./modes.js";

const ENDINGS = { png: "png", jpeg: "jpg", webp: "webp" };
const QUALITY = 0.92;

const $ = (id) => document.getElementById(id);

export const format = () => $("format").value;

export function nameOf(item, as = format()) {
  return `${item.name.replace(/\.[^.]*$/, "")}-${wordOf(item.mode)}.${ENDINGS[as]}`;
}

// The service's own PNG where nothing is to be added to it. Throws Error where the browser cannot write the format.
export async function outputOf({ result, mode }, as = format()) {
  const onTop = isTransparent(mode) && !backdrop.isTransparent();
  if (as === "png" && !onTop) return result.png;
  const bitmap = await createImageBitmap(result.png);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d");
  if (as === "jpeg") {
    context.fillStyle = "#ffffff"; // it has no transparency
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  if (onTop) backdrop.fill(context);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, `image/${as}`, QUALITY));
  if (blob?.type !== `image/${as}`) throw new Error(`this browser cannot write ${as.toUpperCase()}`);
  return blob;
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Browsers take PNG alone. They want the promise, not the bytes, while the click still counts.
export async function copy(item) {
  if (!navigator.clipboard?.write) throw new Error("this browser lets pages copy pictures by HTTPS or on localhost only");
  await navigator.clipboard.write([new ClipboardItem({ "image/png": outputOf(item, "png") })]);
}
