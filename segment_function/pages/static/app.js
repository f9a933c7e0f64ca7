"use strict";

const API = "/computervision/imageanalysis:segment";
const API_VERSION = "2023-02-01-preview";
const ENDINGS = { backgroundRemoval: "cutout", foregroundMatting: "matte" };
const KINDS = { backgroundRemoval: "Cut-out", foregroundMatting: "Matte" };

const $ = (id) => document.getElementById(id);
const NOTHING_CHOSEN = $("chosen").innerHTML;

let file = null; // the picture that was chosen, dropped or pasted

// A blob: URL keeps its bytes in memory until it is revoked.
function showBlob(image, blob) {
  if (image.src) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  return image.src;
}

function choose(picture) {
  file = picture;
  $("url").value = "";
  $("chosen").textContent = picture.name;
  $("preview").hidden = true;
  showBlob($("preview"), picture);
}

function chooseNothing() {
  file = null;
  $("file").value = "";
  $("preview").hidden = true;
  $("chosen").innerHTML = NOTHING_CHOSEN;
}

function requestFor(mode) {
  const headers = { "Content-Type": file ? "application/octet-stream" : "application/json" };
  const key = $("key").value.trim();
  if (key) headers["Ocp-Apim-Subscription-Key"] = key;
  const query = new URLSearchParams({ "api-version": API_VERSION, mode });
  const body = file ?? JSON.stringify({ url: $("url").value.trim() });
  return new Request(`${API}?${query}`, { method: "POST", headers, body });
}

async function messageOf(response) {
  const text = await response.text();
  try {
    const { code, message } = JSON.parse(text).error;
    return [message, `Status ${response.status}, code ${code}`];
  } catch {
    return ["The answer is not one of this service.", `Status ${response.status}`];
  }
}

function showError(message, detail) {
  const [first, second] = [document.createElement("p"), document.createElement("small")];
  first.textContent = message;
  second.textContent = detail;
  $("error").replaceChildren(first, second);
}

async function showResult(png, mode, milliseconds) {
  const name = file ? file.name.replace(/\.[^.]*$/, "") : "picture";
  const picture = $("picture");
  const link = $("download");
  link.href = showBlob(picture, png);
  link.download = `${name}-${ENDINGS[mode]}.png`;
  await picture.decode();
  const { naturalWidth: width, naturalHeight: height } = picture;
  picture.alt = `${KINDS[mode]} of ${name}`;
  picture.hidden = link.hidden = false;
  $("empty").hidden = true;
  const size = `${width} × ${height} pixels, ${Math.ceil(png.size / 1000).toLocaleString()} kB`;
  $("status").textContent = `${KINDS[mode]}: ${size}, in ${(milliseconds / 1000).toFixed(2)} s`;
}

function setBusy(busy) {
  $("send").disabled = busy;
  $("send").textContent = busy ? "Working…" : "Cut out";
  $("result").setAttribute("aria-busy", String(busy));
  if (busy) $("status").textContent = "";
}

async function send() {
  $("error").replaceChildren();
  if (!file && !$("url").value.trim()) {
    showError("Choose a picture, or give the URL of one.", "Nothing was sent.");
    return;
  }
  const mode = new FormData($("form")).get("mode");
  setBusy(true);
  try {
    const begin = performance.now();
    const response = await fetch(requestFor(mode));
    if (response.ok) {
      const png = await response.blob();
      await showResult(png, mode, performance.now() - begin);
    } else {
      showError(...(await messageOf(response)));
    }
  } catch (error) {
    showError("The service did not answer, or the answer broke off.", error.message);
  } finally {
    setBusy(false);
    $("result").scrollIntoView({ block: "nearest" }); // on a phone it is below the form
  }
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
$("file").addEventListener("change", () => {
  if ($("file").files.length) choose($("file").files[0]);
});
$("url").addEventListener("input", () => {
  if ($("url").value) chooseNothing();
});
$("preview").addEventListener("load", () => {
  $("preview").hidden = false; // a TIFF never gets here: browsers do not show it
});

document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) choose(event.clipboardData.files[0]);
});
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault(); // else the browser opens the picture in place of the page
    $("drop").classList.toggle("over", type === "dragover");
    if (type === "drop" && event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
  });
}
