// The sources of pictures: chosen, dropped or pasted files, folders, samples, and the web.

import { isPictureName } from "./kinds.js";

const $ = (id) => document.getElementById(id);

let onInputs = null;
let draggingOut = false; // a result of this page is being dragged: if dropped on the page, it is not a new picture

// [{ source: File or null, url, name }]
const ofFiles = (files) => Array.from(files, (source) => ({ source, url: "", name: source.name }));
const ofUrl = (url) => ({ source: null, url, name: nameIn(url) });

function nameIn(url) {
  try {
    return decodeURIComponent(new URL(url).pathname.split("/").pop()) || "picture";
  } catch {
    return "picture"; // the service will say what is wrong with the URL
  }
}

export function choose() {
  $("file").click();
}

export function leaving(isLeaving) {
  draggingOut = isLeaving;
}

function give(inputs, leftOut = 0) {
  onInputs(inputs, leftOut);
}

// Only for files in folders; a file that is dropped or chosen itself is sent, whatever its name.
function isPicture({ name, type }) {
  return !name.startsWith(".") && (type.startsWith("image/") || isPictureName(name));
}

function giveFolder(files) {
  const pictures = files.filter(isPicture);
  give(ofFiles(pictures), files.length - pictures.length);
}

async function sample(name) {
  const response = await fetch(`/static/sample-${name}.jpg`);
  if (!response.ok) throw new Error(`status ${response.status}`);
  give(ofFiles([new File([await response.blob()], `${name}.jpg`, { type: "image/jpeg" })]));
}

// transfer: the DataTransfer of a drop or paste. Its items can be read only during the event.
async function take(transfer) {
  const items = Array.from(transfer.items).filter(({ kind }) => kind === "file");
  const folders = items.map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory);
  const files = items.filter((item) => !item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile());
  const url = urlIn(transfer);
  if (folders.length) {
    const found = (await Promise.all(folders.map(filesIn))).flat();
    const pictures = found.filter(isPicture);
    give(ofFiles([...files, ...pictures]), found.length - pictures.length);
  } else if (files.length) give(ofFiles(files));
  else if (url) give([ofUrl(url)]);
}

// The URL of a picture dragged from another page, or a copied address.
function urlIn(transfer) {
  const [line] = (transfer.getData("text/uri-list") || transfer.getData("text/plain")).trim().split(/\s*\n/);
  return /^https?:\/\/\S+$/i.test(line) ? line : "";
}

async function filesIn(folder) {
  const entries = [];
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break; // each call returns at most 100 entries
    entries.push(...some);
  }
  entries.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
  const found = [];
  for (const entry of entries) {
    if (entry.isDirectory) found.push(...await filesIn(entry));
    else found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  }
  return found;
}

function sendUrl() {
  const url = $("url").value.trim();
  if (url) give([ofUrl(url)]);
  else $("url").focus();
}

const isText = (target) => target instanceof Element && target.matches("input:is([type=text], [type=url]), textarea");

// `take(inputs, leftOut)` is called with new inputs and the number of files in folders that are not pictures.
// `onError(title, advice)` is called for what cannot be read.
export function start(takeInputs, onError) {
  onInputs = takeInputs;
  const unreadable = ({ message }) => (
    onError("That could not be read.", `Choose it with the button, or drop it again. (${message})`)
  );
  $("file").addEventListener("change", () => {
    const inputs = ofFiles($("file").files);
    $("file").value = ""; // so that the same file can be chosen again
    if (inputs.length) give(inputs);
  });
  $("folder").addEventListener("click", () => $("folder-files").click());
  $("folder-files").addEventListener("change", () => {
    const files = [...$("folder-files").files];
    $("folder-files").value = "";
    giveFolder(files);
  });
  $("samples").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) {
      sample(button.value).catch(() => onError(
        "The sample could not be loaded.",
        "The service may have been stopped, or the connection is gone. Once it is back, try again.",
      ));
    }
  });
  $("fetch").addEventListener("click", sendUrl);
  $("url").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // the form's button is only for changed options
    sendUrl();
  });
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length && isText(event.target)) return;
    take(event.clipboardData).catch(unreadable);
  });
  for (const type of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      if (isText(event.target) && !event.dataTransfer.types.includes("Files")) return;
      event.preventDefault(); // otherwise the browser would open the picture instead of the page
      document.body.classList.toggle("over", type === "dragover" && !draggingOut);
      if (type === "drop" && !draggingOut) take(event.dataTransfer).catch(unreadable);
    });
  }
}
