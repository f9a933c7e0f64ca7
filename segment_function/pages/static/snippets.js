// The last call as code in several languages. The code reads the key or access token from an environment variable.

export const LANGUAGES = { curl: "curl", python: "Python", csharp: "C#", javascript: "JavaScript" };

// By credential: the header, the prefix of its value, and the variable.
const LETS_IN = {
  key: ["Ocp-Apim-Subscription-Key", "", "SEGMENT_KEY"],
  token: ["Authorization", "Bearer ", "SEGMENT_TOKEN"],
};

// The variable that the code reads, or "".
export function variableOf({ credential }) {
  return LETS_IN[credential]?.[2] ?? "";
}

// call: { endpoint, input, url, output, credential }: the whole URL, and the file's name or else the URL of the picture;
// `credential` as credentialOf gives it.
export function snippet(language, call) {
  return { curl, python, csharp, javascript }[language](call);
}

const literal = JSON.stringify; // its escapes mean the same in Python, C# and JavaScript
const joined = (text) => (text ? `${literal(text)} + ` : "");
const lets = (credential, say) => (LETS_IN[credential] ? [say(...LETS_IN[credential])] : []);
const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`; // for POSIX shells

function curl({ endpoint, input, url, output, credential }) {
  const [type, body] = input
    ? ["application/octet-stream", `@${input}`]
    : ["application/json", literal({ url })];
  return [
    `curl --fail-with-body ${quoted(endpoint)}`,
    ...lets(credential, (name, before, variable) => `-H "${name}: ${before}$${variable}"`),
    `-H 'Content-Type: ${type}'`,
    `--data-binary ${quoted(body)}`,
    // On an error, show its document, and do not leave it under the name of a picture.
    `--output ${quoted(output)} || { cat ${quoted(output)}; rm ${quoted(output)}; false; }`,
  ].join(" \\\n  ");
}

function python({ endpoint, input, url, output, credential }) {
  const headers = [
    ...lets(credential, (name, before, variable) => `"${name}": ${joined(before)}os.environ["${variable}"]`),
    ...(input ? ['"Content-Type": "application/octet-stream"'] : []),
  ];
  return `${credential ? "import os\n" : ""}from pathlib import Path

import requests

response = requests.post(
    ${literal(endpoint)},${headers.length ? `\n    headers={${headers.join(", ")}},` : ""}
    ${input ? `data=Path(${literal(input)}).read_bytes()` : `json={"url": ${literal(url)}}`},
    timeout=230,
)
if not response.ok:
    raise SystemExit(response.text)
Path(${literal(output)}).write_bytes(response.content)
`;
}

function csharp({ endpoint, input, url, output, credential }) {
  const content = input
    ? `using var content = new ByteArrayContent(await File.ReadAllBytesAsync(${literal(input)}));
content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");`
    : `using var content = new StringContent(
    ${literal(literal({ url }))}, Encoding.UTF8, "application/json");`;
  const [header = ""] = lets(credential, (name, before, variable) => `
client.DefaultRequestHeaders.Add(
    "${name}", ${joined(before)}Environment.GetEnvironmentVariable("${variable}"));`);
  return `using System.${input ? "Net.Http.Headers" : "Text"};

using var client = new HttpClient();${header}
${content}
using var response = await client.PostAsync(
    ${literal(endpoint)}, content);
if (!response.IsSuccessStatusCode)
    throw new HttpRequestException(await response.Content.ReadAsStringAsync());
await File.WriteAllBytesAsync(${literal(output)}, await response.Content.ReadAsByteArrayAsync());
`;
}

function javascript({ endpoint, input, url, output, credential }) {
  const [header = ""] = lets(credential, (name, before, variable) => `
    "${name}": ${joined(before)}process.env.${variable},`);
  return `import { ${input ? "readFile, " : ""}writeFile } from "node:fs/promises";

const response = await fetch(${literal(endpoint)}, {
  method: "POST",
  headers: {${header}
    "Content-Type": "${input ? "application/octet-stream" : "application/json"}",
  },
  body: ${input ? `await readFile(${literal(input)})` : `JSON.stringify({ url: ${literal(url)} })`},
});
if (!response.ok) throw new Error(await response.text());
await writeFile(${literal(output)}, Buffer.from(await response.arrayBuffer()));
`;
}
