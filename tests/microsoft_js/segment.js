// Microsoft's client for JavaScript against a host: node segment.js ENDPOINT KEY PICTURE URL
// Prints one JSON object: what each call came to.
const { createHash } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { default: createClient, isUnexpected } = require("@azure-rest/ai-vision-image-analysis");
const { AzureKeyCredential } = require("@azure/core-auth");

const [endpoint, key, picture, url] = process.argv.slice(2);
// On loopback there is no TLS; everything else is as for the retired service.
const connect = (secret) =>
  createClient(endpoint, new AzureKeyCredential(secret), {
    apiVersion: "2023-02-01-preview",
    allowInsecureConnection: true,
  });
const client = connect(key);
const photo = new Uint8Array(readFileSync(picture));

const segment = (from, mode, contentType, body) =>
  from.path("/imageanalysis:segment").post({ contentType, body, queryParameters: { mode } });

async function png(request) {
  const { status, headers, body } = await request.asNodeStream();
  const sha256 = createHash("sha256");
  let first;
  for await (const piece of body) {
    first ??= piece.subarray(0, 8).toString("latin1");
    sha256.update(piece);
  }
  return { status, type: headers["content-type"], first, sha256: sha256.digest("hex") };
}

async function refusal(request) {
  const answer = await request;
  return { status: answer.status, header: answer.headers["x-ms-error-code"], error: answer.body.error };
}

async function main() {
  const bytes = "application/octet-stream";
  return {
    cutout: await png(segment(client, "backgroundRemoval", bytes, photo)),
    matte: await png(segment(client, "foregroundMatting", bytes, photo)),
    byUrl: await png(segment(client, "backgroundRemoval", "application/json", { url })),
    wrongMode: await refusal(segment(client, "both", bytes, photo)),
    wrongKey: await refusal(segment(connect("not-the-key"), "backgroundRemoval", bytes, photo)),
    noPicture: await refusal(segment(client, "backgroundRemoval", bytes, new Uint8Array([1, 2, 3]))),
    unexpected: isUnexpected(await segment(client, "both", bytes, photo)),
  };
}

main().then((told) => console.log(JSON.stringify(told)));
