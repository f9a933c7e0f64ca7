// The page: pictures go in at the left, one call of the API is made for each, results come out at the right.

import { CallError, cutOut, target } from "./api.js";
import * as code from "./code_panel.js";
import * as stage from "./stage.js";
import * as strip from "./strip.js";
import { uniqueNames, zipOf } from "./zip.js";

const SAMPLE = "/static/coffee.jpg";
const AT_ONCE = 2; // calls under way; the service has a place for each
const ENDINGS = { backgroundRemoval: "cutout", foregroundMatting: "matte" };
const KINDS = { backgroundRemoval: "Cut-out", foregroundMatting: "Matte" };
const SURE = [[0.1, "sure"], [0.3, "fairly sure"], [0.6, "unsure: look closely"], [1, "guessing: look closely"]];

const $ = (id) => document.getElementById(id);
const NOTHING_CHOSEN = [...$("chosen").childNodes];

let files = []; // the pictures that were chosen, dropped or pasted
let items = []; // one for each picture of the last batch
let selected = null;
let running = null; // the AbortController of the batch under way

function choose(pictures) {
  if (!pictures.length) return;
  files = [...pictures];
  $("url").value = "";
  $("chosen").textContent = files.length === 1 ? files[0].name : `${files.length} pictures`;
  $("preview").hidden = true;
  if ($("preview").src) URL.revokeObjectURL($("preview").src);
  $("preview").src = URL.createObjectURL(files[0]);
}

function chooseNothing() {
  files = [];
  $("file").value = "";
  $("preview").hidden = true;
  $("chosen").replaceChildren(...NOTHING_CHOSEN);
}

function newItems() {
  const mode = new FormData($("form")).get("mode");
  const key = $("key").value.trim();
  const url = $("url").value.trim();
  const common = { mode, key, state: "waiting", result: null, error: null, note: "" };
  if (files.length) return files.map((source) => ({ ...common, source, url: "", name: source.name }));
  return url ? [{ ...common, source: null, url, name: nameIn(url) }] : [];
}

function nameIn(url) {
  try {
    return decodeURIComponent(new URL(url).pathname.split("/").pop()) || "picture";
  } catch {
    return "picture"; // the service will say what is wrong with the URL
  }
}

function outputName(item, ending = ENDINGS[item.mode]) {
  return `${item.name.replace(/\.[^.]*$/, "")}-${ending}.png`;
}

async function send() {
  const batch = newItems();
  if (!batch.length) {
    showError("Choose a picture, or give the URL of one.", "Nothing was sent.");
    return;
  }
  items = batch;
  running = new AbortController();
  const { signal } = running;
  setBusy(true);
  strip.fill(items, select);
  items.forEach(strip.update);
  select(items[0]);
  showProgress();
  const waiting = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item = waiting.shift(); item; item = waiting.shift()) await run(item, signal);
  }));
  running = null;
  setBusy(false);
  showProgress();
}

async function run(item, signal) {
  if (signal.aborted) return settle(item, "unsent");
  settle(item, "working");
  if (item.source) strip.draw(item, item.source);
  try {
    item.result = await cutOut(item, signal, (seconds) => {
      item.note = `The service is busy; another try in ${seconds} s.`;
      settle(item, "working");
    });
    settle(item, "done");
    strip.draw(item, item.result.png);
  } catch (error) {
    if (!(error instanceof CallError)) return settle(item, "unsent"); // stopped
    item.error = error;
    settle(item, "failed");
    if (error.final) running?.abort();
  }
}

function settle(item, state) {
  item.state = state;
  strip.update(item);
  showProgress();
  if (item === selected) show(item);
}

function select(item) {
  selected = item;
  strip.select(item);
  show(item);
}

async function show(item) {
  $("error").replaceChildren();
  $("status").textContent = $("request").textContent = "";
  $("certainty").hidden = $("download").hidden = true;
  $("result").setAttribute("aria-busy", String(item.state === "working" || item.state === "waiting"));
  if (item.state === "done") {
    await showResult(item);
    return;
  }
  stage.clear();
  code.hide();
  $("empty").textContent = {
    waiting: "This picture waits for its turn.",
    working: item.note || "Being cut out…",
    failed: "There is no result for this picture.",
    unsent: "This picture was not sent.",
  }[item.state];
  if (item.state === "failed") showError(item.error.message, item.error.detail, item.error.requestId);
}

async function showResult(item) {
  const { png, milliseconds, requestId, uncertainty } = item.result;
  const shown = { png, source: item.source, name: item.name, mode: item.mode };
  const size = await stage.show(shown).catch((error) => {
    showError("This browser cannot show the result.", error.message, requestId);
  });
  if (item !== selected || !size) return;
  const kilobytes = Math.ceil(png.size / 1000).toLocaleString("en");
  $("status").textContent = `${KINDS[item.mode]}: ${size.width} × ${size.height} pixels, ${kilobytes} kB, `
    + `in ${(milliseconds / 1000).toFixed(2)} s`;
  $("request").textContent = requestId && `Request id ${requestId}`;
  showCertainty(uncertainty);
  if ($("download").href) URL.revokeObjectURL($("download").href);
  $("download").href = URL.createObjectURL(png);
  $("download").download = outputName(item);
  $("download").hidden = false;
  code.show({
    endpoint: new URL(target(item.mode), location.href).href,
    input: item.source ? item.name : "",
    url: item.url,
    output: outputName(item),
    hasKey: item.key !== "",
  });
}

function showCertainty(uncertainty) {
  $("certainty").hidden = uncertainty === null;
  if (uncertainty === null) return;
  $("uncertainty").value = uncertainty;
  $("uncertainty").textContent = uncertainty.toFixed(2);
  const [, words] = SURE.find(([most]) => uncertainty <= most) ?? SURE.at(-1);
  $("certainty-words").textContent = `${words} (uncertainty ${uncertainty.toFixed(2)})`;
}

function showError(message, detail, requestId = "") {
  const lines = [[message, "p"], [detail, "small"]];
  if (requestId) lines.push([`Request id ${requestId}`, "small"]);
  $("error").replaceChildren(...lines.map(([text, tag]) => {
    const line = document.createElement(tag);
    line.textContent = text;
    return line;
  }));
}

function showProgress() {
  const count = (state) => items.filter((item) => item.state === state).length;
  const [done, failed, unsent] = [count("done"), count("failed"), count("unsent")];
  $("progress").max = items.length;
  $("progress").value = done + failed;
  $("progress").hidden = !running;
  const rest = [[failed, "failed"], [unsent, "not sent"]].filter(([number]) => number);
  $("counts").textContent = [`${done} of ${items.length} done`, ...rest.map((pair) => pair.join(" "))].join(", ");
  $("zip").disabled = !done || running !== null;
}

function setBusy(busy) {
  $("send").textContent = busy ? "Stop" : "Cut out";
  $("send").classList.toggle("stop", busy);
  if (busy) $("result").scrollIntoView({ block: "nearest" }); // on a phone it is below the form
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function saveZip() {
  const done = items.filter((item) => item.state === "done");
  const names = uniqueNames(done.map((item) => outputName(item)));
  $("zip").disabled = true;
  try {
    save(await zipOf(done.map((item, at) => ({ name: names[at], content: item.result.png }))), "cutouts.zip");
  } catch (error) {
    showError("The ZIP could not be made.", error.message);
  } finally {
    $("zip").disabled = false;
  }
}

async function takeSample() {
  const response = await fetch(SAMPLE);
  choose([new File([await response.blob()], "coffee.jpg", { type: "image/jpeg" })]);
  await send();
}

function start() {
  stage.start((blob, ending) => save(blob, outputName(selected, ending)));
  code.start();
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) running.abort();
    else send();
  });
  $("file").addEventListener("change", () => choose($("file").files));
  $("sample").addEventListener("click", () => running || takeSample());
  $("zip").addEventListener("click", saveZip);
  $("url").addEventListener("input", () => {
    if ($("url").value) chooseNothing();
  });
  $("preview").addEventListener("load", () => {
    $("preview").hidden = false; // a TIFF never gets here: browsers do not show it
  });
  document.addEventListener("paste", (event) => choose(event.clipboardData.files));
  for (const type of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      event.preventDefault(); // else the browser opens the picture in place of the page
      $("drop").classList.toggle("over", type === "dragover");
      if (type === "drop") choose(event.dataTransfer.files);
    });
  }
}

start();
