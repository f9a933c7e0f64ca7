// The picture that is selected: its result and what is known of it, or why there is none.

import { target } from "./api.js";
import * as code from "./code_panel.js";
import * as stage from "./stage.js";

const ENDINGS = { backgroundRemoval: "cutout", foregroundMatting: "matte" };
const KINDS = { backgroundRemoval: "Cut-out", foregroundMatting: "Matte" };
// The share of bad mattes that each threshold catches is in docs/models.md.
const SURE = [[0.05, "sure"], [0.1, "fairly sure"], [0.2, "unsure: look at it"], [1, "very unsure: look closely"]];

const $ = (id) => document.getElementById(id);

let selected = null;

export function outputName(item, ending = ENDINGS[item.mode]) {
  return `${item.name.replace(/\.[^.]*$/, "")}-${ending}.png`;
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function showError(message, detail, requestId = "") {
  const lines = [[message, "p"], [detail, "small"]];
  if (requestId) lines.push([`Request id ${requestId}`, "small"]);
  $("error").replaceChildren(...lines.map(([text, tag]) => {
    const line = document.createElement(tag);
    line.textContent = text;
    return line;
  }));
}

// item: one of app.js, in whatever state it is.
export async function show(item) {
  selected = item;
  $("error").replaceChildren();
  $("status").textContent = $("request").textContent = "";
  $("certainty").hidden = $("download").hidden = true;
  $("result").setAttribute("aria-busy", String(item.state === "working" || item.state === "waiting"));
  if (item.state === "done") {
    await showDone(item);
    return;
  }
  stage.clear();
  code.hide();
  $("empty").textContent = {
    waiting: "This picture waits for its turn.",
    working: item.note || "Being cut out…",
    failed: "There is no result for this picture.",
    stopped: "This picture was not cut out: the batch was stopped.",
  }[item.state];
  if (item.state === "failed") showError(item.error.message, item.error.detail, item.error.requestId);
}

async function showDone(item) {
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
  const [, words] = SURE.find(([most]) => uncertainty <= most) ?? SURE.at(-1);
  $("uncertainty").value = uncertainty;
  $("certainty-words").textContent = `${words} (uncertainty ${uncertainty.toFixed(2)})`;
}

export function start() {
  stage.start((blob, ending) => save(blob, outputName(selected, ending)));
  code.start();
}
