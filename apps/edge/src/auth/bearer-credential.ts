// Owns reading credentials: `Authorization: Bearer ...` and, for API keys of Anthropic's clients, `x-api-key`.
import { CREDENTIAL_CHARS_MAX } from "../limits.ts";

const BEARER = /^Bearer +(\S+) *$/i;

/** The credential; "" when the header is there and no usable bearer credential; undefined when it is absent. */
export function bearerCredential(headers: Headers): string | undefined {
  const header = headers.get("authorization");
  if (header === null) return undefined;
  const credential = BEARER.exec(header)?.[1] ?? "";
  return credential.length > CREDENTIAL_CHARS_MAX ? "" : credential;
}

/** An API key where Anthropic's clients put it; as above. */
export function apiKeyHeader(headers: Headers): string | undefined {
  const header = headers.get("x-api-key");
  if (header === null) return undefined;
  return header.length > CREDENTIAL_CHARS_MAX ? "" : header.trim();
}
