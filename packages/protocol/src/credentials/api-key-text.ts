// Owns the text of an API key, `fl1_<tenant ulid>_<key ulid>_<secret>_<mac>`: one kind of a tenant's secrets.
import type { Random } from "@fairlane/base";
import { makeCredential, readCredential, type CredentialKind } from "./tenant-credential.ts";

const API_KEY: CredentialKind = {
  prefix: "fl1",
  idPrefix: "key",
  macDomain: "fairlane-api-key-mac-v1",
  hashDomain: "fairlane-api-key-hash-v1",
};

/** What a well-made key says about itself: true of its maker, unknown of its revocation. */
export interface ApiKeyClaim {
  readonly tenantId: string;
  readonly keyId: string;
  /** Hex; compared by TenantAccount with the stored one. */
  readonly secretHash: string;
}

export interface NewApiKey {
  /** Shown to its owner once and stored nowhere. */
  readonly text: string;
  readonly secretHash: string;
}

/** Makes the text of a new key for ids of the kinds `ten_...` and `key_...`. */
export async function makeApiKey(options: {
  readonly tenantId: string;
  readonly keyId: string;
  readonly pepper: string;
  readonly random: Random;
}): Promise<NewApiKey> {
  const { keyId, ...rest } = options;
  return makeCredential(API_KEY, { ...rest, id: keyId });
}

/**
 * Reads a key that a client sent.
 * @returns its claim, or undefined when the text is malformed or was not made under this pepper (the caller must
 * not tell the two apart to the client)
 */
export async function readApiKey(text: string, pepper: string): Promise<ApiKeyClaim | undefined> {
  const claim = await readCredential(API_KEY, text, pepper);
  return claim && { tenantId: claim.tenantId, keyId: claim.id, secretHash: claim.secretHash };
}
