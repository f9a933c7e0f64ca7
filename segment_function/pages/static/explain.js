// Why a picture has no result, in words that a person can act on.

import { foreignKind } from "./kinds.js";

export const MOST_BYTES = 20 * 1024 * 1024;

const ON_ITS_URL = {
  title: "The service could not fetch that picture.",
  advice: "The address must be public, begin with http or https, and lead to the picture itself, not to a page that "
    + "shows it. Or save the picture and drop it here.",
};

// error: a CallError; item: one of app.js. Gives { title, advice, again, asksKey }: `again` where another try may help.
export async function explain(error, { source, key }) {
  const words = await wordsFor(error, source, key);
  return { again: false, asksKey: false, ...words };
}

async function wordsFor(error, source, key) {
  switch (error.kind) {
    case "dead":
      return {
        title: "The service does not answer.",
        advice: "It may have been stopped, or the connection is gone. Once it is back, try again.",
        again: true,
      };
    case "broken":
      return {
        title: "The connection broke off.",
        advice: "Try again. If the file was changed or moved meanwhile, remove it and choose it once more.",
        again: true,
      };
    case "busy":
      return {
        title: error.status === 503 ? "The service is not ready yet." : "The service is busy.",
        advice: "It was asked several times. Try again in a minute.",
        again: true,
      };
    case "foreign":
      return {
        title: "Something else answered in the service's place.",
        advice: "A gateway or proxy on the way refused the call. Try again; if that does not help, tell whoever runs it.",
        again: true,
      };
    default:
      return ofAnswer(error, source, key);
  }
}

async function ofAnswer({ status, code, message }, source, key) {
  if (status === 401) {
    return {
      title: key ? "The service does not know this key." : "The service asks for a key.",
      advice: key
        ? "Check that it is whole, and one of this service."
        : "Whoever runs it has one for you; on your own, it is in the Key Vault or in SEGMENT_API_KEYS.",
      asksKey: true,
    };
  }
  if (status === 403) {
    return {
      title: "You are not among those who may use this service.",
      advice: "Ask whoever runs it to let you in.",
    };
  }
  if (status >= 500) {
    return {
      title: "The service could not finish this picture.",
      advice: "Try again. If it fails once more, whoever runs the service finds the cause in its log by the request id.",
      again: true,
    };
  }
  if (/\burl\b/i.test(message)) return ON_ITS_URL;
  if (code === "InvalidImageFormat") return ofFormat(source);
  if (/dimension/.test(message)) {
    return {
      title: "The picture is too small or too large.",
      advice: "Each side must have 50 to 16 000 pixels. Scale it, then drop it again.",
    };
  }
  if (/too large to be decoded/.test(message)) {
    return {
      title: "The picture needs more memory than this service has.",
      advice: "Scale it down, or save it as JPEG, then drop it again.",
    };
  }
  if (/size/.test(message)) return ofSize(source);
  return { title: "The service refused this picture.", advice: message };
}

async function ofFormat(source) {
  if (!source) {
    return { title: "What is at that address is no picture the service reads.", advice: ON_ITS_URL.advice };
  }
  const kind = await foreignKind(source).catch(() => null);
  if (kind) return { title: `${kind.name} is not a format that the service reads.`, advice: kind.advice };
  return {
    title: "This file is damaged, or no picture.",
    advice: "If it opens elsewhere, save it again as JPEG or PNG there, and drop that.",
  };
}

export function ofSize(source) {
  return source && !source.size
    ? { title: "The file is empty.", advice: "Choose another, or save the picture again." }
    : { title: "The file is too large.", advice: "Up to 20 MB are taken. Save it as JPEG, or scale it down." };
}
