// Owns who a caller of a management route claims to be: by a bearer key, or by the session in a browser's cookie. Both
// are read from their own tags, without a look-up. A bearer credential wins: a program's call is never the browser's.
import { AppError, readCredential, SESSION, type CallerClaim } from "@fairlane/protocol";
import { wrongApiKey } from "./authenticate.ts";
import { apiKeyHeader, bearerCredential } from "./bearer-credential.ts";
import { readKnownKey } from "./known-keys.ts";
import { checkOrigin, sessionOf } from "./session-cookie.ts";

/** The tenant and what the caller showed; throws invalid_api_key or invalid_session. */
export async function authenticateCaller(
  request: Request,
  pepper: string,
): Promise<{ readonly tenantId: string; readonly claim: CallerClaim }> {
  const bearer = bearerCredential(request.headers) ?? apiKeyHeader(request.headers);
  if (bearer !== undefined) {
    const key = await readKnownKey(bearer, pepper);
    if (!key) throw AppError.of(wrongApiKey());
    const { tenantId, keyId, secretHash } = key;
    return { tenantId, claim: { kind: "key", keyId, secretHash } };
  }
  const session = sessionOf(request);
  if (session === undefined) {
    const message = "No API key provided. Send it as 'Authorization: Bearer YOUR_KEY'.";
    throw new AppError("invalid_api_key", message);
  }
  checkOrigin(request, true);
  const read = await readCredential(SESSION, session, pepper);
  if (!read) throw new AppError("invalid_session", "The session is over. Log in again.");
  const { tenantId, id: sessionId, secretHash } = read;
  return { tenantId, claim: { kind: "session", sessionId, secretHash } };
}
