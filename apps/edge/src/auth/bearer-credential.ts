// Owns reading `Authorization: Bearer ...`, the only place where a credential is looked for.
import { CREDENTIAL_CHARS_MAX } from "../limits.ts";

const BEARER = /^Bearer +(\S+) *$/i;

/** The credential; "" when the header is there and no usable bearer credential; undefined when it is absent. */
export function bearerCredential(headers: Headers): string | undefined {
  const header = headers.get("authorization");
  if (header === null) return undefined;
  const credential = BEARER.exec(header)?.[1] ?? "";
  return credential.length > CREDENTIAL_CHARS_MAX ? "" : credential;
}
