// A ZIP archive (PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16). Its files are stored, not deflated, because
// they are compressed already.

const MOST_BYTES = 0xffffffff;
const MOST_FILES = 0xffff;
const VERSION = 20;
const UTF8_NAMES = 1 << 11;
const STORED = 0;
const NEW_YEAR_1980 = (1 << 5) | 1; // a fixed time, so that the same pictures make the same archive

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
}

// The names in order, made unique by numbers: "a.png", "a (2).png". Letter case does not matter.
export function uniqueNames(names) {
  const taken = new Set();
  return names.map((name) => {
    const [, stem, ending] = name.match(/^(.*?)(\.[^.]*)?$/s);
    let unique = name;
    for (let number = 2; taken.has(unique.toLowerCase()); number += 1) unique = `${stem} (${number})${ending ?? ""}`;
    taken.add(unique.toLowerCase());
    return unique;
  });
}

// files: [{ name, content: Blob }] with unique names. One file is in memory at a time. Throws RangeError if the archive
// would need ZIP64.
export async function zipOf(files) {
  const total = files.reduce((sum, { content }) => sum + content.size + 1024, 0);
  if (files.length > MOST_FILES || total > MOST_BYTES) throw new RangeError("more than 4 GB do not fit into one ZIP");
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, content } of files) {
    const encoded = new TextEncoder().encode(name);
    const crc = crc32(new Uint8Array(await content.arrayBuffer()));
    const common = [
      [VERSION, 2], [UTF8_NAMES, 2], [STORED, 2], [0, 2], [NEW_YEAR_1980, 2],
      [crc, 4], [content.size, 4], [content.size, 4], [encoded.length, 2], [0, 2],
    ];
    const local = fields([[0x04034b50, 4], ...common]);
    parts.push(local, encoded, content);
    directory.push(
      fields([[0x02014b50, 4], [VERSION, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]),
      encoded,
    );
    offset += local.length + encoded.length + content.size;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const count = files.length;
  const end = fields([[0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [offset, 4], [0, 2]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

// Pairs of [value, bytes], little-endian and concatenated.
function fields(pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [, bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [value, bytes] of pairs) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}
