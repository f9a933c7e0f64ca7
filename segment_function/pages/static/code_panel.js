// The last call as code to copy, in tabs that follow the pattern of the ARIA Authoring Practices Guide.

import { LANGUAGES, snippet, variableOf } from "./snippets.js";

const $ = (id) => document.getElementById(id);

let call = null;
let language = Object.keys(LANGUAGES)[0];

export function show(newCall) {
  call = newCall;
  $("code").hidden = false;
  $("key-note").hidden = !call.credential;
  $("key-note").firstElementChild.textContent = variableOf(call);
  render();
}

export function hide() {
  $("code").hidden = true;
}

export function start() {
  const tabs = Object.entries(LANGUAGES).map(([name, text]) => {
    const tab = document.createElement("button");
    Object.assign(tab, { type: "button", id: `tab-${name}`, className: "tab", textContent: text, role: "tab" });
    tab.setAttribute("aria-controls", "code-panel");
    tab.addEventListener("click", () => choose(name));
    return tab;
  });
  $("tabs").replaceChildren(...tabs);
  $("tabs").addEventListener("keydown", move);
  $("copy").addEventListener("click", copy);
  choose(language);
}

function choose(name) {
  language = name;
  for (const tab of $("tabs").children) {
    const chosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  $("code-panel").setAttribute("aria-labelledby", `tab-${name}`);
  render();
}

function move(event) {
  const names = Object.keys(LANGUAGES);
  const at = names.indexOf(language);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: names.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose(names.at(to % names.length));
  $(`tab-${language}`).focus();
}

function render() {
  $("snippet").textContent = call ? snippet(language, call) : "";
  $("copied").textContent = "";
}

async function copy() {
  try {
    await navigator.clipboard.writeText($("snippet").textContent); // undefined if the page came by plain HTTP
    $("copied").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("snippet"));
    $("copied").textContent = "Selected; copy it with Ctrl+C";
  }
}
