// The page: cuts out pictures as they arrive, two calls at a time, and shows the selected one on the stage.

import { CallError, cutOut } from "./api.js";
import { certainty } from "./certainty.js";
import { MOST_BYTES } from "./explain.js";
import * as output from "./output.js";
import * as result from "./result.js";
import * as sources from "./sources.js";
import * as strip from "./strip.js";
import { uniqueNames, zipOf } from "./zip.js";

const AT_ONCE = 2; // calls under way

const $ = (id) => document.getElementById(id);

// { source, url, name, mode, model, key, state, result, error, note, abort }. The states are listed in strip.js; mode,
// model and key are those of the last call.
let items = [];
let selected = null;
let calls = 0; // under way
let leftOut = 0; // files in folders that are not pictures

const inState = (...states) => items.filter(({ state }) => states.includes(state));
const options = () => ({
  mode: new FormData($("form")).get("mode"), model: $("network").value, key: $("key").value.trim(),
});

function add(inputs, others) {
  leftOut += others;
  if (!inputs.length && !items.length) {
    result.showProblem("There is no picture in that folder.", "Choose another, or drop pictures anywhere on this page.");
    $("batch").hidden = true;
    return;
  }
  const added = inputs.map((input) => ({ ...input, ...options(), state: "waiting", result: null, error: null, note: "" }));
  items.push(...added);
  added.forEach(strip.add);
  if (added.length) select(added[0]);
  pump();
}

function remove(item) {
  const at = items.indexOf(item);
  if (at < 0) return;
  items.splice(at, 1);
  item.abort?.abort();
  strip.remove(item);
  if (item === selected) select(items[at] ?? items.at(-1) ?? null);
  showProgress();
}

function again(some) {
  for (const item of some) {
    Object.assign(item, { state: "waiting", error: null, note: "" });
    settle(item, "waiting");
  }
  pump();
}

// The pictures whose result would change with the current options.
function changed() {
  const { mode, model, key } = options();
  return items.filter((item) => (
    item.state === "done" ? item.mode !== mode || item.model !== model : ["failed", "stopped"].includes(item.state) && item.key !== key
  ));
}

function pump() {
  for (let item = inState("waiting")[0]; item && calls < AT_ONCE; item = inState("waiting")[0]) run(item);
  showProgress();
}

async function run(item) {
  calls += 1;
  item.abort = new AbortController();
  const { signal } = item.abort;
  Object.assign(item, options(), { result: null });
  settle(item, "working");
  if (item.source) strip.draw(item, item.source);
  try {
    if (item.source && (!item.source.size || item.source.size > MOST_BYTES)) {
      throw new CallError("answer", "The image size is not allowed.", {});
    }
    item.result = await cutOut(item, signal, (seconds) => {
      item.note = `The service is busy. Next try in ${seconds} s.`;
      settle(item, "working");
    });
    strip.draw(item, item.result.png);
    settle(item, "done");
  } catch (error) {
    item.error = error instanceof CallError ? error : null;
    settle(item, item.error ? "failed" : "stopped");
    if (item.error?.final) endWith(item);
  } finally {
    calls -= 1;
    pump();
  }
}

// The other pictures would fail as well, so they wait for another key, or for the service to come back.
function endWith(item) {
  if (!items.includes(item)) return;
  inState("waiting").forEach((one) => settle(one, "stopped"));
  if (selected?.state !== "failed") select(item, true);
}

function stop() {
  inState("waiting").forEach((item) => settle(item, "stopped"));
  inState("working").forEach((item) => item.abort.abort());
}

function settle(item, state) {
  if (!items.includes(item)) return;
  item.state = state;
  strip.update(item);
  showProgress();
  if (item === selected) result.show(item, true);
}

function select(item, isNews = false) {
  selected = item;
  strip.select(item);
  result.show(item, isNews);
}

function showProgress() {
  const running = inState("waiting", "working").length;
  const [done, failed, stopped] = ["done", "failed", "stopped"].map((state) => inState(state).length);
  const doubtful = inState("done").filter((item) => certainty(item.result.uncertainty).doubtful).length;
  const rest = [
    [doubtful, "to look at"], [failed, "failed"], [stopped, "stopped"], [leftOut, "other files left out"],
  ].filter(([number]) => number);
  $("batch").hidden = !items.length;
  $("counts").textContent = [`${done} of ${items.length} done`, ...rest.map((pair) => pair.join(" "))].join(", ");
  $("progress").max = Math.max(1, items.length);
  $("progress").value = items.length - running;
  $("progress").hidden = $("stop").hidden = !running;
  $("retry").hidden = Boolean(running) || !(failed + stopped);
  $("zip").disabled = !done || Boolean(running);
  showChanged();
}

function showChanged() {
  const asked = !$("ask").hidden && $("ask").contains($("key-field"));
  $("send").hidden = !asked && !changed().length;
  $("send").textContent = asked ? "Cut out" : "Cut out again";
}

async function saveZip() {
  const done = inState("done");
  const names = uniqueNames(done.map((item) => output.nameOf(item)));
  $("zip").disabled = true;
  try {
    const files = [];
    for (const [at, item] of done.entries()) files.push({ name: names[at], content: await output.outputOf(item) });
    output.save(await zipOf(files), "cutouts.zip");
  } catch (error) {
    $("counts").textContent = `The ZIP could not be made: ${error.message}.`;
  } finally {
    $("zip").disabled = false;
  }
}

function removeAll() {
  leftOut = 0;
  [...items].forEach(remove);
  $("file").focus();
}

strip.start({ select: (item) => select(item), remove, add: sources.choose });
result.start((item) => again([item]), remove);
sources.start(add, (title, advice) => {
  select(null);
  result.showProblem(title, advice);
});
$("zip").addEventListener("click", saveZip);
$("stop").addEventListener("click", stop);
$("retry").addEventListener("click", () => again(inState("failed", "stopped")));
$("clear").addEventListener("click", removeAll);
$("form").addEventListener("change", showChanged);
$("key").addEventListener("input", showChanged);
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  again(changed().length ? changed() : inState("failed", "stopped"));
});
