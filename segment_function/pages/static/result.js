// The selected picture: its result with details, or the reason why there is none.

import { target } from "./api.js";
import * as backdrop from "./backdrop.js";
import * as code from "./code_panel.js";
import { credentialOf } from "./credential.js";
import { explain } from "./explain.js";
import { isTransparent, kindOf } from "./modes.js";
import * as output from "./output.js";
import { choose, leaving } from "./sources.js";
import * as stage from "./stage.js";
import { certainty } from "./certainty.js";

const $ = (id) => document.getElementById(id);

let selected = null;
let leavingFile = null; // { url, name, type } of the file that a drag would save
let preparations = 0;

function showError(title, advice = "", detail = "") {
  const lines = [[title, "strong"], [advice, "span"], [detail, "small"]].filter(([text]) => text);
  $("error").replaceChildren(...lines.map(([text, tag]) => {
    const line = document.createElement(tag);
    line.textContent = text;
    return line;
  }));
}

// A problem that belongs to no picture.
export function showProblem(title, advice) {
  selected = null;
  hideDetails();
  stage.showFailure();
  showError(title, advice);
  $("again").hidden = $("remove").hidden = $("ask").hidden = true;
  $("choose").hidden = false;
}

// item: one of app.js, in any state, or null. `isNews`: it has just entered that state.
export async function show(item, isNews = false) {
  selected = item;
  hideDetails();
  const isUnderWay = item?.state === "working" || item?.state === "waiting";
  $("result").setAttribute("aria-busy", String(isUnderWay));
  if (!item) stage.showDrop();
  else if (item.state === "done") await showDone(item);
  else if (isUnderWay) {
    stage.showWorking(item, item.state === "waiting" ? "Waiting for its turn" : item.note || "Being cut out…");
  } else await showFailed(item, isNews);
}

function hideDetails() {
  $("error").replaceChildren();
  $("status").textContent = $("request").textContent = $("format-note").textContent = "";
  $("certainty").hidden = $("download").hidden = true;
  keyHome();
  code.hide();
}

async function showFailed(item, isNews) {
  const words = item.state === "failed"
    ? await explain(item.error, item)
    : { title: "This picture was not cut out.", advice: "The run was stopped before it was processed.", again: true };
  if (item !== selected) return;
  stage.showFailure();
  const { status, code: name, requestId } = item.error ?? {};
  const known = [status && `Status ${status}`, name && `code ${name}`, requestId && `request id ${requestId}`];
  showError(words.title, words.advice, known.filter(Boolean).join(", "));
  $("again").hidden = !words.again;
  $("choose").hidden = words.again || words.asksKey;
  $("remove").hidden = words.asksKey;
  $("ask").hidden = !words.asksKey;
  if (words.asksKey) askForKey(isNews);
}

// Moves the only field for the key to where the key is asked for.
function askForKey(isNews) {
  $("ask").replaceChildren($("key-field"), $("send"));
  $("send").hidden = false;
  $("send").textContent = "Cut out";
  $("key").setAttribute("aria-invalid", String($("key").value !== ""));
  if (!isNews) return; // so that people who browse the pictures keep their focus
  $("key").focus();
  $("key").select();
}

function keyHome() {
  $("key").removeAttribute("aria-invalid");
  if ($("key-home").contains($("key-field"))) return;
  $("key-home").append($("key-field"), $("send"));
}

async function showDone(item) {
  const { png, milliseconds, requestId, uncertainty } = item.result;
  backdrop.show(!isTransparent(item.mode));
  const size = await stage.showResult({ png, source: item.source, name: item.name, kind: kindOf(item.mode) })
    .catch((error) => {
      stage.showFailure();
      showError("This browser cannot show the result.", "The file is complete, so you can download it.", error.message);
      $("again").hidden = $("choose").hidden = $("remove").hidden = $("ask").hidden = true;
    });
  if (item !== selected) return;
  $("below").hidden = $("download").hidden = false;
  const kilobytes = Math.ceil(png.size / 1000).toLocaleString("en");
  $("status").textContent = `${kindOf(item.mode)}${size ? `, ${size.width} × ${size.height} pixels` : ""}, `
    + `${kilobytes} kB, in ${(milliseconds / 1000).toFixed(2)} s`;
  $("request").textContent = requestId && `Request id ${requestId}`;
  showCertainty(uncertainty);
  showCode(item);
  await prepare();
}

function showCode(item) {
  code.show({
    endpoint: new URL(target(item), location.href).href,
    input: item.source ? item.name : "",
    url: item.url,
    output: output.nameOf(item, "png"),
    credential: credentialOf(item.key),
  });
}

function showCertainty(uncertainty) {
  const { words, doubtful } = certainty(uncertainty);
  $("certainty").hidden = !words;
  $("certainty").classList.toggle("doubtful", doubtful);
  $("uncertainty").value = uncertainty ?? 0;
  $("certainty-words").textContent = words && `${words} (uncertainty ${uncertainty.toFixed(2)})`;
}

// Makes the file for a drag in advance: it must exist when the drag begins.
async function prepare() {
  const item = selected;
  const turn = ++preparations;
  if (leavingFile) URL.revokeObjectURL(leavingFile.url);
  leavingFile = null;
  noteFormat();
  if (item?.state !== "done") return;
  const name = output.nameOf(item);
  const blob = await output.outputOf(item).catch(() => null);
  if (item !== selected || turn !== preparations || !blob) return; // outdated: something else was chosen meanwhile
  leavingFile = { url: URL.createObjectURL(blob), name, type: blob.type };
}

function noteFormat() {
  const white = output.format() === "jpeg" && selected && isTransparent(selected.mode) && backdrop.isTransparent();
  $("format-note").textContent = white ? "JPEG has no transparency: the background will be white." : "";
}

async function tell(work, done) {
  try {
    await work();
    $("format-note").textContent = done;
  } catch (error) {
    $("format-note").textContent = `That did not work: ${error.message}.`;
  }
}

// In Chromium DownloadURL makes a file of it; other browsers drag the picture itself.
function dragOut({ dataTransfer }) {
  leaving(true);
  if (!leavingFile) return;
  const { url, name, type } = leavingFile;
  dataTransfer.effectAllowed = "copy";
  dataTransfer.setData("DownloadURL", `${type}:${name}:${url}`);
}

// `onAgain(item)` and `onRemove(item)` are called for the selected picture.
export function start(onAgain, onRemove) {
  stage.start();
  code.start();
  backdrop.start(prepare);
  $("format").addEventListener("change", prepare);
  $("again").addEventListener("click", () => onAgain(selected));
  $("choose").addEventListener("click", choose);
  $("remove").addEventListener("click", () => onRemove(selected));
  $("download").addEventListener("click", () => {
    const item = selected;
    tell(async () => output.save(await output.outputOf(item), output.nameOf(item)), "");
  });
  $("copy-picture").addEventListener("click", () => tell(() => output.copy(selected), "Copied as PNG"));
  $("after").addEventListener("dragstart", dragOut);
  $("after").addEventListener("dragend", () => leaving(false));
}
