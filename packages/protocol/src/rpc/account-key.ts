// Owns the type of a key as it travels to TenantAccount, which is authoritative for it. Plain data only: it
// crosses isolates. Invariant: null in a list means "no restriction", an empty list means "none".
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
  readonly revokedAtMs: number | null;
}

/** What became of a change: the key as it is now, or why it stayed. */
export type KeyChangeOutcome =
  | { readonly ok: true; readonly key: AccountKey }
  | { readonly ok: false; readonly reason: "unknown" | "revoked" };
