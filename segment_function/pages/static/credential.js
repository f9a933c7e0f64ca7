// Credentials: a key, or an access token of Microsoft Entra ID. One field takes both; tokens are recognised.

const TOKEN = /^(?:Bearer +)?(eyJ[\w-]*\.[\w-]+\.[\w-]+)$/i; // RFC 7519; it begins with {" in base64url

// "key", "token", or "" for nothing.
export function credentialOf(credential) {
  if (!credential) return "";
  return TOKEN.test(credential) ? "token" : "key";
}

// The header that carries it.
export function headersOf(credential) {
  switch (credentialOf(credential)) {
    case "token": return { Authorization: `Bearer ${TOKEN.exec(credential)[1]}` };
    case "key": return { "Ocp-Apim-Subscription-Key": credential };
    default: return {};
  }
}
