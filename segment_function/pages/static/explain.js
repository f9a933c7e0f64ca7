// Explains why a picture has no result, and what to do about it.

import { credentialOf } from "./credential.js";
import { foreignKind } from "./kinds.js";

export const MOST_BYTES = 20 * 1024 * 1024;

const ON_ITS_URL = {
  title: "The service could not fetch that picture.",
  advice: "The address must be public, begin with http or https, and lead to the picture itself, not to a page that "
    + "shows it. Or save the picture and drop it here.",
};

// error: a CallError; item: one of app.js. Returns { title, advice, again, asksKey }; again: another try may help.
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
        advice: "This page has tried several times. Try again in a minute.",
        again: true,
      };
    case "foreign":
      return {
        title: "The answer did not come from the service.",
        advice: "A gateway or proxy in between refused the call. Try again. If that does not help, ask whoever runs it.",
        again: true,
      };
    default:
      return ofAnswer(error, source, key);
  }
}

// The service's message has the audience that tokens need in parentheses.
function ofToken(credential, message) {
  const [, resource = ""] = /\(([^)\s]+)\)/.exec(message) ?? [];
  return {
    title: credentialOf(credential) === "token"
      ? "The service does not take this access token."
      : "The service asks for an access token of Microsoft Entra ID.",
    advice: "It must be whole, not expired, and of the service's tenant"
      + (resource ? `: az account get-access-token --resource ${resource} --query accessToken --output tsv` : "."),
    asksKey: true,
  };
}

async function ofAnswer({ status, code, message }, source, key) {
  if (status === 401 && (credentialOf(key) === "token" || /access token/i.test(message))) return ofToken(key, message);
  if (status === 401) {
    return {
      title: key ? "The service does not know this key." : "The service asks for a key.",
      advice: key
        ? "Check that you copied all of it, and that it is a key of this service."
        : "Ask whoever runs the service for one. If that is you, look in the Key Vault or in SEGMENT_API_KEYS.",
      asksKey: true,
    };
  }
  if (status === 403) {
    return {
      title: "You are not allowed to use this service.",
      advice: "Ask whoever runs it for access, or sign in as somebody else.",
      asksKey: true,
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
    return { title: "The file at that address is not a picture that the service can read.", advice: ON_ITS_URL.advice };
  }
  const kind = await foreignKind(source).catch(() => null);
  if (kind) return { title: `${kind.name} is not a format that the service reads.`, advice: kind.advice };
  return {
    title: "This file is damaged or not a picture.",
    advice: "If it opens elsewhere, save it again as JPEG or PNG there, and drop that.",
  };
}

export function ofSize(source) {
  return source && !source.size
    ? { title: "The file is empty.", advice: "Choose another, or save the picture again." }
    : { title: "The file is too large.", advice: "The service accepts up to 20 MB. Save the picture as JPEG, or scale it down." };
}
