// One call of the API, and what its answer says.

export const PATH = "/computervision/imageanalysis:segment";
export const VERSION = "2023-02-01-preview";

const TRIES = 6;

// What went wrong, in words for a person; `final` says that other pictures would fare no better.
export class CallError extends Error {
  constructor(message, { detail = "", requestId = "", final = false } = {}) {
    super(message);
    this.detail = detail;
    this.requestId = requestId;
    this.final = final;
  }
}

// job: { source: File or null, url, mode, key }. Gives { png, milliseconds, requestId, uncertainty }, the last of them
// a number or null. `onWait` is told the seconds before another try. Throws CallError, or AbortError by `signal`.
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
      if (error instanceof CallError || error.name === "AbortError") throw error;
      throw new CallError("The service did not answer, or the answer broke off.", { detail: error.message });
    }
  }
}

export function target(mode) {
  return `${PATH}?${new URLSearchParams({ "api-version": VERSION, mode })}`;
}

function requestFor({ source, url, mode, key }, signal) {
  const headers = { "Content-Type": source ? "application/octet-stream" : "application/json" };
  if (key) headers["Ocp-Apim-Subscription-Key"] = key;
  return new Request(target(mode), { method: "POST", headers, body: source ?? JSON.stringify({ url }), signal });
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
  const requestId = response.headers.get("apim-request-id") ?? "";
  const final = response.status === 401;
  const text = await response.text();
  try {
    const { code, message } = JSON.parse(text).error;
    return new CallError(message, { detail: `Status ${response.status}, code ${code}`, requestId, final });
  } catch {
    return new CallError("The answer is not one of this service.", { detail: `Status ${response.status}`, requestId });
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
