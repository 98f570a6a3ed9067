// Owns making a new key: its text for its owner, its record for the account, its row for the register. The three
// agree, and the text is in neither record.
import { newId } from "@fairlane/base";
import type { ApiKey } from "@fairlane/db";
import { makeApiKey, type AccountKey, type KeyTerms } from "@fairlane/protocol";
import type { EdgeDependencies } from "../edge-context.ts";

const LAST_CHARS = 4;
const NO_END = { graceUntilMs: null, revokedAtMs: null };

export interface IssuedApiKey {
  /** Shown once, stored nowhere. */
  readonly text: string;
  readonly record: AccountKey;
  readonly row: ApiKey;
}

/** Makes a key; nothing is written. */
export async function issueApiKey(
  deps: EdgeDependencies,
  wanted: {
    readonly tenantId: string;
    readonly projectId: string;
    readonly name: string;
    readonly terms: KeyTerms;
  },
): Promise<IssuedApiKey> {
  const { tenantId, projectId, name, terms } = wanted;
  const { scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs } = terms;
  const own = { scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs };
  const keyId = newId("key", deps.clock, deps.random);
  const pepper = deps.config.keyPepper;
  const { text, secretHash } = await makeApiKey({ tenantId, keyId, pepper, random: deps.random });
  return {
    text,
    record: { keyId, projectId, secretHash, ...own, ...NO_END },
    row: {
      id: keyId,
      tenantId,
      projectId,
      name,
      secretHash,
      lastChars: text.slice(-LAST_CHARS),
      ...own,
      ...NO_END,
      rotatedFromId: null,
      createdAtMs: deps.clock.nowMs(),
    },
  };
}
