// The call that was just made, in other languages. The key is never in them: they read it from SEGMENT_KEY.

export const LANGUAGES = { curl: "curl", python: "Python", csharp: "C#", javascript: "JavaScript" };

// call: { endpoint, input, url, output, hasKey }: the whole URL, and the file's name or else the URL of the picture.
export function snippet(language, call) {
  return { curl, python, csharp, javascript }[language](call);
}

const literal = JSON.stringify; // its escapes mean the same in Python, C# and JavaScript
const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`; // for POSIX shells

function curl({ endpoint, input, url, output, hasKey }) {
  const [type, body] = input
    ? ["application/octet-stream", `@${input}`]
    : ["application/json", literal({ url })];
  return [
    `curl --fail-with-body ${quoted(endpoint)}`,
    ...(hasKey ? ['-H "Ocp-Apim-Subscription-Key: $SEGMENT_KEY"'] : []),
    `-H 'Content-Type: ${type}'`,
    `--data-binary ${quoted(body)}`,
    // An error's document is shown, and no file is left that is called a picture and is none.
    `--output ${quoted(output)} || { cat ${quoted(output)}; rm ${quoted(output)}; false; }`,
  ].join(" \\\n  ");
}

function python({ endpoint, input, url, output, hasKey }) {
  const headers = [
    ...(hasKey ? ['"Ocp-Apim-Subscription-Key": os.environ["SEGMENT_KEY"]'] : []),
    ...(input ? ['"Content-Type": "application/octet-stream"'] : []),
  ];
  return `${hasKey ? "import os\n" : ""}from pathlib import Path

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

function csharp({ endpoint, input, url, output, hasKey }) {
  const content = input
    ? `using var content = new ByteArrayContent(await File.ReadAllBytesAsync(${literal(input)}));
content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");`
    : `using var content = new StringContent(
    ${literal(literal({ url }))}, Encoding.UTF8, "application/json");`;
  const key = `
client.DefaultRequestHeaders.Add(
    "Ocp-Apim-Subscription-Key", Environment.GetEnvironmentVariable("SEGMENT_KEY"));`;
  return `using System.${input ? "Net.Http.Headers" : "Text"};

using var client = new HttpClient();${hasKey ? key : ""}
${content}
using var response = await client.PostAsync(
    ${literal(endpoint)}, content);
if (!response.IsSuccessStatusCode)
    throw new HttpRequestException(await response.Content.ReadAsStringAsync());
await File.WriteAllBytesAsync(${literal(output)}, await response.Content.ReadAsByteArrayAsync());
`;
}

function javascript({ endpoint, input, url, output, hasKey }) {
  const key = `
    "Ocp-Apim-Subscription-Key": process.env.SEGMENT_KEY,`;
  return `import { ${input ? "readFile, " : ""}writeFile } from "node:fs/promises";

const response = await fetch(${literal(endpoint)}, {
  method: "POST",
  headers: {${hasKey ? key : ""}
    "Content-Type": "${input ? "application/octet-stream" : "application/json"}",
  },
  body: ${input ? `await readFile(${literal(input)})` : `JSON.stringify({ url: ${literal(url)} })`},
});
if (!response.ok) throw new Error(await response.text());
await writeFile(${literal(output)}, Buffer.from(await response.arrayBuffer()));
`;
}
