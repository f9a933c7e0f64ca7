// The file that is saved, copied or dragged out: a result on the chosen background, in the chosen format.

import { cutOut } from "./api.js";
import * as backdrop from "./backdrop.js";
import { isTransparent, wordOf } from "./modes.js";

const ENDINGS = { png: "png", jpeg: "jpg", webp: "webp" };
const QUALITY = 0.92;

const $ = (id) => document.getElementById(id);

export const format = () => $("format").value;

export function nameOf(item, as = format()) {
  return `${item.name.replace(/\.[^.]*$/, "")}-${wordOf(item.mode)}.${ENDINGS[as]}`;
}

// The service's own PNG or WEBP if there is no background to add. Throws Error if the browser cannot write the format.
export async function outputOf(item, as = format()) {
  const { result, mode } = item;
  const onTop = isTransparent(mode) && !backdrop.isTransparent();
  if (as === "png" && !onTop) return result.png;
  const own = as === "webp" && !onTop && await webpOf(item);
  if (own) return own;
  const bitmap = await createImageBitmap(result.png);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d");
  if (as === "jpeg") {
    context.fillStyle = "#ffffff"; // JPEG has no transparency
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  if (onTop) backdrop.fill(context);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, `image/${as}`, QUALITY));
  if (blob?.type !== `image/${as}`) throw new Error(`this browser cannot write ${as.toUpperCase()}`);
  return blob;
}

// The service's WEBP, requested once: its alpha is exact, and not every browser can write WEBP. null if it sends none.
async function webpOf(item) {
  const job = { ...item, accept: "image/webp" };
  item.result.webp ??= cutOut(job, new AbortController().signal, () => {}).then(({ png }) => png, () => null);
  const file = await item.result.webp;
  return file?.type === "image/webp" ? file : null;
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Browsers accept only PNG. They must get a promise at once, while the click still permits copying.
export async function copy(item) {
  if (!navigator.clipboard?.write) throw new Error("this browser lets pages copy pictures by HTTPS or on localhost only");
  await navigator.clipboard.write([new ClipboardItem({ "image/png": outputOf(item, "png") })]);
}
