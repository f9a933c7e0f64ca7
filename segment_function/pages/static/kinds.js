// Recognises formats that the service does not read: by the first bytes of a file, or else by its name.

const HEAD_BYTES = 512;

// [name, what to do]; the patterns are matched against the head as Latin-1 text.
const BY_CONTENT = [
  [/^....ftyp(hei[cfmsx]|hev[cmsx]|mif1|msf1)/s, "HEIC"],
  [/^....ftypavi[fs]/s, "AVIF"],
  [/^(\xff\x0a|\0\0\0\x0cJXL )/, "JPEG XL"],
  [/^(\xff\x4f\xff\x51|\0\0\0\x0cjP {2})/, "JPEG 2000"],
  [/^II\xbc\x01/, "JPEG XR"],
  [/^....ftypcrx /s, "Camera raw (CR3)"],
  [/^FUJIFILM/, "Camera raw (RAF)"],
  [/^II(RO|RS|U\0)/, "Camera raw"],
  [/^8BPS/, "Photoshop"],
  [/^gimp xcf/, "GIMP"],
  [/^%PDF/, "PDF"],
  [/^%!PS/, "PostScript"],
  [/^v\/1\x01/, "OpenEXR"],
  [/^(#\?RADIANCE|#\?RGBE)/, "Radiance HDR"],
  [/^DDS /, "DDS"],
  [/^P[1-7]\s/, "Netpbm"],
  [/^qoif/, "QOI"],
  [/^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?(<!doctype svg[^>]*>\s*)?<svg[\s>]/i, "SVG"],
  [/^(\xef\xbb\xbf)?\s*(<!doctype html|<html)/i, "Web page"],
  [/^....ftyp/s, "Video"],
  [/^(\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01\xba)/s, "Video"],
  [/^PK\x03\x04/, "ZIP"],
];
const BY_NAME = [
  [/\.(dng|nef|arw|cr2|cr3|orf|rw2|pef|srw|raf)$/i, "Camera raw"],
  [/\.(heic|heif)$/i, "HEIC"],
  [/\.tga$/i, "TGA"],
];
const ADVICE = {
  HEIC: "Save it as JPEG first: on a Mac with Preview, on an iPhone under Settings, Camera, Formats, “Most Compatible”.",
  "Web page": "Save the picture itself, not the page that shows it.",
  Video: "Save one frame of it as JPEG or PNG.",
  ZIP: "Unpack it, then drop the folder.",
};

const FOREIGN_ENDING = /\.(hei[cf]|avif|jxl|dng|nef|arw|cr[23]|orf|rw2|raf)$/i;

// Whether a name is a picture's, accepted or not. The file input lists the accepted endings.
export function isPictureName(name) {
  const ending = name.slice(name.lastIndexOf(".")).toLowerCase();
  return document.getElementById("file").accept.split(",").includes(ending) || FOREIGN_ENDING.test(name);
}

// { name, advice } for a known format that the service does not accept; otherwise null.
export async function foreignKind(file) {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const text = Array.from(head, (byte) => String.fromCharCode(byte)).join("");
  const name = BY_CONTENT.find(([pattern]) => pattern.test(text))?.[1]
    ?? BY_NAME.find(([pattern]) => pattern.test(file.name))?.[1];
  const isAccepted = name && document.getElementById("formats").textContent.split(/,? /).includes(name);
  return name && !isAccepted ? { name, advice: ADVICE[name.split(" (")[0]] ?? "Save it as JPEG or PNG, then drop that." } : null;
}
