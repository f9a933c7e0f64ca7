// Where pictures come from: chosen, dropped, pasted, in a folder, a sample, or on the web.

import { isPictureName } from "./kinds.js";

const $ = (id) => document.getElementById(id);

let onInputs = null;
let draggingOut = false; // a result of this page is on its way out: should it fall on the page, it is no new picture

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

// In a folder lie other things too; what is dropped or chosen by itself is tried, whatever it is called.
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

// transfer: a DataTransfer of a drop or a paste. Its items can be asked for only while the event lasts.
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

// A picture dragged from another page, or an address that was copied.
function urlIn(transfer) {
  const [line] = (transfer.getData("text/uri-list") || transfer.getData("text/plain")).trim().split(/\s*\n/);
  return /^https?:\/\/\S+$/i.test(line) ? line : "";
}

async function filesIn(folder) {
  const entries = [];
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break; // it gives at most 100 at a time
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

// `take(inputs, leftOut)` is called with what comes, and the number of files in a folder that are no pictures.
// `onError(title, advice)` is told what cannot be read.
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
    event.preventDefault(); // the form's button is for changed options
    sendUrl();
  });
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length && isText(event.target)) return;
    take(event.clipboardData).catch(unreadable);
  });
  for (const type of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      if (isText(event.target) && !event.dataTransfer.types.includes("Files")) return;
      event.preventDefault(); // else the browser opens the picture in place of the page
      document.body.classList.toggle("over", type === "dragover" && !draggingOut);
      if (type === "drop" && !draggingOut) take(event.dataTransfer).catch(unreadable);
    });
  }
}
