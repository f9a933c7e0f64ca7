// The page: one call of the API for each picture of a batch, results as they come.

import { CallError, cutOut } from "./api.js";
import * as chosen from "./chosen.js";
import * as result from "./result.js";
import * as strip from "./strip.js";
import { uniqueNames, zipOf } from "./zip.js";

const AT_ONCE = 2; // calls under way

const $ = (id) => document.getElementById(id);

// Of the last batch: { source, url, name, mode, key, state, result, error, note }, with a state of strip.js.
let items = [];
let selected = null;
let running = null; // the AbortController of the batch under way

function newItems() {
  const mode = new FormData($("form")).get("mode");
  const key = $("key").value.trim();
  return chosen.inputs().map((input) => (
    { ...input, mode, key, state: "waiting", result: null, error: null, note: "" }
  ));
}

async function send() {
  const batch = newItems();
  if (!batch.length) {
    result.showError("Choose a picture, or give the URL of one.", "Nothing was sent.");
    return;
  }
  items = batch;
  running = new AbortController();
  const { signal } = running;
  $("key").removeAttribute("aria-invalid");
  setBusy(true);
  strip.fill(items, select);
  items.forEach(strip.update);
  select(items[0]);
  const waiting = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item = waiting.shift(); item; item = waiting.shift()) await run(item, signal);
  }));
  running = null;
  setBusy(false);
}

async function run(item, signal) {
  if (signal.aborted) {
    settle(item, "stopped");
    return;
  }
  settle(item, "working");
  if (item.source) strip.draw(item, item.source);
  try {
    item.result = await cutOut(item, signal, (seconds) => {
      item.note = `The service is busy; another try in ${seconds} s.`;
      settle(item, "working");
    });
    strip.draw(item, item.result.png);
    settle(item, "done");
  } catch (error) {
    item.error = error;
    settle(item, error instanceof CallError ? "failed" : "stopped");
    if (error.final) refuseKey();
  }
}

// With another key all may go well: no more of this batch is sent, and the field is where to go on.
function refuseKey() {
  running.abort();
  $("key").setAttribute("aria-invalid", "true");
  $("key").focus();
}

function settle(item, state) {
  item.state = state;
  strip.update(item);
  showProgress();
  if (item === selected) result.show(item);
}

function select(item) {
  selected = item;
  strip.select(item);
  result.show(item);
}

function setBusy(busy) {
  $("send").textContent = busy ? "Stop" : "Cut out";
  $("send").classList.toggle("stop", busy);
  showProgress();
  if (busy) $("result").scrollIntoView({ block: "nearest" }); // on a phone it is below the form
}

function showProgress() {
  const count = (state) => items.filter((item) => item.state === state).length;
  const [done, failed, stopped] = ["done", "failed", "stopped"].map(count);
  $("progress").max = items.length;
  $("progress").value = done + failed;
  $("progress").hidden = !running;
  const rest = [[failed, "failed"], [stopped, "stopped"]].filter(([number]) => number);
  $("counts").textContent = [`${done} of ${items.length} done`, ...rest.map((pair) => pair.join(" "))].join(", ");
  $("zip").disabled = !done || running !== null;
}

async function saveZip() {
  const done = items.filter((item) => item.state === "done");
  const names = uniqueNames(done.map((item) => result.outputName(item)));
  $("zip").disabled = true;
  try {
    const files = done.map((item, at) => ({ name: names[at], content: item.result.png }));
    result.save(await zipOf(files), "cutouts.zip");
  } catch (error) {
    result.showError("The ZIP could not be made.", error.message);
  } finally {
    $("zip").disabled = false;
  }
}

result.start();
chosen.start(() => running || send());
$("zip").addEventListener("click", saveZip);
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) running.abort();
  else send();
});
