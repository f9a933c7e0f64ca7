// The large picture: before and after with a slider between them, on a background, fitted or at 100 %.

const $ = (id) => document.getElementById(id);

let shown = null; // the result on the stage
let backdropPicture = null; // the File that was chosen as a background

// A blob: URL keeps its bytes in memory until it is revoked.
function setBlob(image, blob) {
  if (image.src) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  if (blob) image.src = URL.createObjectURL(blob);
}

// result: { png, source: File or null, name, mode }. Gives the size of the PNG in pixels.
export async function show(result) {
  shown = result;
  const { png, source, name, mode } = result;
  const kind = mode === "foregroundMatting" ? "Matte" : "Cut-out";
  $("before").hidden = true; // until it has loaded: there are formats that browsers do not show
  $("no-before").textContent = source
    ? "This browser cannot show the original."
    : "The original is on another host, from which this page loads nothing.";
  $("no-before").hidden = source !== null;
  setBlob($("before"), source);
  setBlob($("after"), png);
  $("after").alt = `${kind} of ${name}`;
  $("before").alt = `${name} as it was`;
  try {
    await $("after").decode();
  } catch (error) {
    if (shown === result) throw error;
  }
  if (shown !== result) return null;
  const { naturalWidth: width, naturalHeight: height } = $("after");
  $("frame").style.setProperty("--width", `${width}px`);
  $("frame").style.setProperty("--ratio", String(width / height));
  $("empty").hidden = true;
  $("frame").hidden = $("tools").hidden = false;
  $("backdrop").hidden = mode === "foregroundMatting";
  setCompare($("compare").value);
  setBackdrop();
  return { width, height };
}

export function clear() {
  shown = null;
  setBlob($("before"), null);
  setBlob($("after"), null);
  $("frame").hidden = $("tools").hidden = $("download-composed").hidden = true;
  $("empty").hidden = false;
  setZoom(false);
}

function setCompare(percent) {
  const visible = !$("before").hidden;
  $("compare-field").hidden = !visible;
  $("divider").hidden = !visible;
  $("compare").value = percent;
  $("compare").setAttribute("aria-valuetext", `${Math.round(percent)} % original`);
  $("frame").style.setProperty("--split", visible ? `${percent}%` : "0%");
}

function setZoom(full) {
  $("stage").classList.toggle("full", full);
  $("zoom").setAttribute("aria-pressed", String(full));
  if (full) $("stage").tabIndex = 0; // so that the arrow keys scroll it
  else $("stage").removeAttribute("tabindex");
}

// The background that is chosen: { kind, colour }.
function backdrop() {
  const kind = new FormData($("backdrop-form")).get("backdrop");
  const colours = { white: "#ffffff", black: "#000000", colour: $("colour").value };
  return { kind, colour: colours[kind] ?? "" };
}

function setBackdrop() {
  const { kind, colour } = backdrop();
  const isMatte = shown?.mode === "foregroundMatting";
  const picture = kind === "picture" ? $("backdrop-picture") : null;
  $("frame").classList.toggle("checked", !colour && !picture?.src);
  $("frame").style.backgroundColor = colour;
  $("frame").style.backgroundImage = picture?.src ? `url("${picture.src}")` : "";
  $("choose-backdrop").hidden = kind !== "picture";
  $("choose-backdrop").textContent = backdropPicture ? "Another picture" : "Choose the picture";
  $("download-composed").hidden = isMatte || kind === "transparent" || (picture !== null && !picture.src);
}

function chooseBackdrop(file) {
  backdropPicture = file;
  setBlob($("backdrop-picture"), file);
  setBackdrop();
}

// The cut-out on its background, as a PNG.
async function composed() {
  const after = $("after");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [after.naturalWidth, after.naturalHeight];
  const context = canvas.getContext("2d");
  const { kind, colour } = backdrop();
  if (kind === "picture") drawCovering(context, $("backdrop-picture"));
  else {
    context.fillStyle = colour;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.drawImage(after, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// As `background-size: cover` does it.
function drawCovering(context, image) {
  const { width, height } = context.canvas;
  const scale = Math.max(width / image.naturalWidth, height / image.naturalHeight);
  const [w, h] = [image.naturalWidth * scale, image.naturalHeight * scale];
  context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
}

// The divider follows the pointer where the picture is fitted; at 100 % the pointer moves the picture.
function followPointer() {
  let last = null;
  $("frame").addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    last = event;
    if (!isFull()) setCompareAt(event);
    if (event.pointerType === "mouse" || !isFull()) $("frame").setPointerCapture(event.pointerId);
  });
  $("frame").addEventListener("pointermove", (event) => {
    if (!last) return;
    if (!isFull()) setCompareAt(event);
    else if (event.pointerType === "mouse") {
      $("stage").scrollBy(last.clientX - event.clientX, last.clientY - event.clientY);
    }
    last = event;
  });
  for (const type of ["pointerup", "pointercancel"]) {
    $("frame").addEventListener(type, () => {
      last = null;
    });
  }
}

function isFull() {
  return $("stage").classList.contains("full");
}

function setCompareAt({ clientX }) {
  const { left, width } = $("frame").getBoundingClientRect();
  setCompare(Math.min(100, Math.max(0, ((clientX - left) / width) * 100)));
}

// `download(blob, ending)` is called with the picture on its background.
export function start(download) {
  followPointer();
  $("compare").addEventListener("input", () => setCompare($("compare").value));
  $("before").addEventListener("load", () => {
    $("before").hidden = false;
    setCompare($("compare").value);
  });
  $("before").addEventListener("error", () => {
    if (shown?.source) $("no-before").hidden = false;
  });
  $("zoom").addEventListener("click", () => setZoom(!isFull()));
  $("backdrop-form").addEventListener("submit", (event) => event.preventDefault());
  $("backdrop-form").addEventListener("change", (event) => {
    if (event.target.name === "backdrop") setBackdrop();
  });
  $("colour").addEventListener("input", () => {
    $("backdrop-form").elements.backdrop.value = "colour";
    setBackdrop();
  });
  $("choose-backdrop").addEventListener("click", () => $("backdrop-file").click());
  $("backdrop-file").addEventListener("change", () => {
    if ($("backdrop-file").files.length) chooseBackdrop($("backdrop-file").files[0]);
  });
  $("backdrop-picture").addEventListener("load", setBackdrop);
  $("download-composed").addEventListener("click", async () => download(await composed(), "composed"));
}
