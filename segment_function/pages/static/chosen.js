// What is to be cut out: pictures that were chosen, dropped or pasted, the sample, or a URL.

const SAMPLE = "/static/coffee.jpg";

const $ = (id) => document.getElementById(id);
const NOTHING_CHOSEN = [...$("chosen").childNodes];

let files = [];

// [{ source: File or null, url, name }], one for each picture.
export function inputs() {
  if (files.length) return files.map((source) => ({ source, url: "", name: source.name }));
  const url = $("url").value.trim();
  return url ? [{ source: null, url, name: nameIn(url) }] : [];
}

function nameIn(url) {
  try {
    return decodeURIComponent(new URL(url).pathname.split("/").pop()) || "picture";
  } catch {
    return "picture"; // the service will say what is wrong with the URL
  }
}

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

async function chooseSample() {
  const response = await fetch(SAMPLE);
  choose([new File([await response.blob()], "coffee.jpg", { type: "image/jpeg" })]);
}

// `onSample` is called when the sample has been chosen.
export function start(onSample) {
  $("file").addEventListener("change", () => choose($("file").files));
  $("sample").addEventListener("click", () => chooseSample().then(onSample));
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
