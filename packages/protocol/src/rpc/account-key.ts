// Owns the type of a key as it travels to TenantAccount, which is authoritative for it, and of what is done to it.
// Plain data only: it crosses isolates. Invariant: null in a list means "no restriction", an empty list means "none".
import type { Scope } from "../access/scopes.ts";

/** What of a key its owner may change. */
export interface KeyTerms {
  readonly scopes: readonly Scope[];
  /** Ids of base models. A key with such a list names its model in each request. */
  readonly allowedModels: readonly string[] | null;
  /** Ids of adapters, the tenant's own and those granted to it. */
  readonly allowedAdapters: readonly string[] | null;
  /** Addresses and ranges as `10.0.0.0/8`, `2001:db8::/32` or a bare address. */
  readonly allowedIps: readonly string[] | null;
  readonly expiresAtMs: number | null;
}

/** A key as TenantAccount keeps it. */
export interface AccountKey extends KeyTerms {
  readonly keyId: string;
  readonly projectId: string;
  /** Hex of the domain-separated SHA-256 of the secret; the secret itself is stored nowhere. */
  readonly secretHash: string;
  /** A rotated key is dead from then on; null for one that has no successor. */
  readonly graceUntilMs: number | null;
  readonly revokedAtMs: number | null;
}

/** The key that manages others: those of its project, within its own terms. Null for members and the operator. */
export type KeyManager = Pick<AccountKey, "projectId"> & KeyTerms;

/** A new secret for an old key; the rest is the old key's. */
export interface KeyRotation {
  readonly keyId: string;
  readonly successor: Pick<AccountKey, "keyId" | "secretHash">;
  /** The old key serves until then. */
  readonly graceUntilMs: number;
}

/** What became of a change or a rotation: the key as it is now (the new one), or why nothing happened. */
export type KeyOutcome =
  | { readonly ok: true; readonly key: AccountKey }
  | {
      readonly ok: false;
      readonly reason: "unknown" | "revoked" | "rotated" | "too_many";
    }
  /** The change, or the key itself, goes beyond the terms of the key that manages it. */
  | { readonly ok: false; readonly reason: "wider"; readonly term: keyof KeyTerms };

/** When a key was last used, to the hour. */
export interface KeyUse {
  readonly keyId: string;
  readonly lastUsedMs: number;
}
