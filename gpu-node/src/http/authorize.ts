// Owns the one optional key of a stand-alone node. Tenants, keys and budgets are the edge's: a node alone either is
// open (and then binds the loopback interface unless told otherwise) or wants this one key on /v1 routes.
import { equalsConstantTime, hashFields } from "@fairlane/base";
import { AppError } from "@fairlane/protocol";

const DOMAIN = "fairlane-node-api-key-v1";

/** Throws AppError `invalid_api_key` unless the header carries the key. */
export type Authorize = (authorization: string | undefined) => Promise<void>;

/** A check for `apiKey`; undefined lets everybody in. */
export function makeAuthorize(apiKey: string | undefined): Authorize {
  if (apiKey === undefined) return () => Promise.resolve();
  const expected = hashFields(DOMAIN, [apiKey]);
  return async (authorization) => {
    const [, given] = /^Bearer +(\S+)$/i.exec(authorization ?? "") ?? [];
    if (given === undefined) {
      throw new AppError(
        "invalid_api_key",
        "You didn't provide an API key. Send it in the Authorization header as 'Bearer KEY'.",
      );
    }
    // Hashes are compared, so the time taken says nothing about the key's length or content.
    if (!equalsConstantTime(await hashFields(DOMAIN, [given]), await expected)) {
      throw new AppError("invalid_api_key", "Incorrect API key provided.");
    }
  };
}
