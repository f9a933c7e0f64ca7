// One call of the API, and what is read from its answer.

import { headersOf } from "./credential.js";

export const PATH = "/computervision/imageanalysis:segment";
export const VERSION = "2023-02-01-preview";

const TRIES = 6;

// Why there is no result. `kind`: "answer" (an error of the service), "busy", "foreign" (something else answered),
// "dead" (nothing answers at this address any more) or "broken" (this call was cut off, but the service answers).
export class CallError extends Error {
  constructor(kind, message, { status = 0, code = "", requestId = "" } = {}) {
    super(message);
    Object.assign(this, { kind, status, code, requestId });
  }

  // Whether other pictures would fail as well.
  get final() {
    return this.status === 401 || this.kind === "dead";
  }
}

// job: { source: File or null, url, mode, model, key, accept }: model "" for the default network, key may be an access
// token, accept a media type or nothing for PNG. Returns { png, milliseconds, requestId, uncertainty }, the last a
// number or null. `onWait` is called with the seconds before another attempt. Throws CallError, or AbortError when
// `signal` aborts.
export async function cutOut(job, signal, onWait) {
  for (let left = TRIES - 1; ; left -= 1) {
    const begin = performance.now();
    try {
      const response = await fetch(requestFor(job, signal));
      const seconds = Number(response.headers.get("retry-after"));
      if (response.ok) return await resultOf(response, begin);
      if (!seconds || !left) throw await errorOf(response);
      onWait(seconds);
      await pause(seconds, signal);
    } catch (error) {
      if (error instanceof CallError || signal.aborted) throw error;
      throw new CallError(await isAlive() ? "broken" : "dead", error.message);
    }
  }
}

export function target({ mode, model }) {
  const network = model ? { "model-name": model } : {};
  return `${PATH}?${new URLSearchParams({ "api-version": VERSION, ...network, mode })}`;
}

function requestFor(job, signal) {
  const { source, url, key, accept } = job;
  const headers = { "Content-Type": source ? "application/octet-stream" : "application/json", ...headersOf(key) };
  if (accept) headers.Accept = accept;
  return new Request(target(job), { method: "POST", headers, body: source ?? JSON.stringify({ url }), signal });
}

async function resultOf(response, begin) {
  const png = await response.blob();
  const uncertainty = response.headers.get("x-segment-uncertainty");
  return {
    png,
    milliseconds: performance.now() - begin,
    requestId: response.headers.get("apim-request-id") ?? "",
    uncertainty: uncertainty === null || Number.isNaN(Number(uncertainty)) ? null : Number(uncertainty),
  };
}

async function errorOf(response) {
  const { status } = response;
  const requestId = response.headers.get("apim-request-id") ?? "";
  try {
    const { code, message, innererror } = JSON.parse(await response.text()).error;
    const kind = status === 429 || status === 503 ? "busy" : "answer";
    return new CallError(kind, message, { status, code: innererror?.code ?? code, requestId });
  } catch {
    return new CallError("foreign", "", { status, requestId });
  }
}

async function isAlive() {
  try {
    return (await fetch("/status", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
