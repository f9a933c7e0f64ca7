// The background of a cut-out: none, a colour or a picture. It is shown on the stage and drawn into saved files.

const $ = (id) => document.getElementById(id);
const COLOURS = { white: "#ffffff", black: "#000000" };

let picture = null; // the chosen File
let isMatte = false; // a matte has no background to fill

// { kind, colour, image }: one of colour and image, or neither.
function chosen() {
  const kind = new FormData($("backdrop-form")).get("backdrop");
  const image = kind === "picture" && $("backdrop-picture").naturalWidth ? $("backdrop-picture") : null;
  return { kind, colour: kind === "colour" ? $("colour").value : COLOURS[kind] ?? "", image };
}

export function isTransparent() {
  const { colour, image } = chosen();
  return !colour && !image;
}

// Show the chosen background on the stage.
export function show(ofMatte = isMatte) {
  isMatte = ofMatte;
  const { kind, colour, image } = chosen();
  $("backdrop").hidden = isMatte;
  $("frame").classList.toggle("checked", !isMatte && !colour && !image);
  $("frame").style.backgroundColor = isMatte ? "" : colour;
  $("frame").style.backgroundImage = image && !isMatte ? `url("${image.src}")` : "";
  $("choose-backdrop").hidden = kind !== "picture";
  $("choose-backdrop").textContent = picture ? "Another picture" : "Choose the picture";
}

// Draw the chosen background, if any, on a canvas.
export function fill(context) {
  const { colour, image } = chosen();
  if (image) drawCovering(context, image);
  else if (colour) {
    context.fillStyle = colour;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  }
}

// Like `background-size: cover`.
function drawCovering(context, image) {
  const { width, height } = context.canvas;
  const scale = Math.max(width / image.naturalWidth, height / image.naturalHeight);
  const [w, h] = [image.naturalWidth * scale, image.naturalHeight * scale];
  context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
}

function choose(file) {
  picture = file;
  if ($("backdrop-picture").src) URL.revokeObjectURL($("backdrop-picture").src);
  $("backdrop-picture").src = URL.createObjectURL(file);
}

// `onChange` is called when the background changes.
export function start(onChange) {
  const changed = () => {
    show();
    onChange();
  };
  $("backdrop-form").addEventListener("submit", (event) => event.preventDefault());
  $("backdrop-form").addEventListener("change", ({ target }) => {
    if (target.name !== "backdrop") return;
    changed();
    if (target.value === "picture" && !picture) $("backdrop-file").click();
  });
  $("colour").addEventListener("input", () => {
    $("backdrop-form").elements.backdrop.value = "colour";
    changed();
  });
  $("choose-backdrop").addEventListener("click", () => $("backdrop-file").click());
  $("backdrop-file").addEventListener("change", () => {
    if ($("backdrop-file").files.length) choose($("backdrop-file").files[0]);
  });
  $("backdrop-picture").addEventListener("load", changed);
}
