// E1, authenticate: the claimed identity from the key's own tag, without a look-up. Whether the key is known and
// alive is admission's question. A client never learns which of the two refused it.
import { AppError, type ApiKeyClaim, type ErrorValue } from "@fairlane/protocol";
import { apiKeyHeader, bearerCredential } from "./bearer-credential.ts";
import { readKnownKey } from "./known-keys.ts";

/** The one refusal of a key that is malformed, forged, unknown or revoked. */
export function wrongApiKey(): ErrorValue {
  const message = "Incorrect API key provided. Ask your administrator for a valid key.";
  return { code: "invalid_api_key", message, param: null };
}

/** A key that is unknown or revoked must read like a forged one. */
export function hideKeyState(error: ErrorValue): ErrorValue {
  return error.code === "invalid_api_key" ? wrongApiKey() : error;
}

/** Who the caller claims to be; throws invalid_api_key. */
export async function authenticate(headers: Headers, keyPepper: string): Promise<ApiKeyClaim> {
  const credential = bearerCredential(headers) ?? apiKeyHeader(headers);
  if (credential === undefined) {
    const message = "No API key provided. Send it as 'Authorization: Bearer YOUR_KEY'.";
    throw new AppError("invalid_api_key", message);
  }
  const claim = await readKnownKey(credential, keyPepper);
  if (!claim) throw AppError.of(wrongApiKey());
  return claim;
}
