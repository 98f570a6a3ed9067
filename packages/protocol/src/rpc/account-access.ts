// Owns the types of the RPC about who may do what at a tenant: keys and their life, and the authorisation of routes
// that compute nothing. Plain data only: it crosses isolates.
import type { Role, Scope } from "../access/scopes.ts";
import type { ErrorValue } from "../app-error.ts";
import type {
  AccountKey,
  KeyManager,
  KeyOutcome,
  KeyRotation,
  KeyTerms,
  KeyUse,
} from "./account-key.ts";
import type { RateState } from "./account.ts";

/** Who did something. The operator is one: there is one admin token. */
export interface Actor {
  readonly kind: "operator" | "key" | "member";
  readonly id: string;
}

/** The verified caller of a route that computes nothing. */
export interface Caller {
  readonly tenantId: string;
  readonly actor: Actor;
  /** Of a member; null for everybody else. */
  readonly role: Role | null;
  /** What it may do; the operator has its routes instead. */
  readonly scopes: readonly Scope[];
  /** What binds a key that manages others; null for everybody else. */
  readonly manager: KeyManager | null;
}

/** The secret that a caller showed, by its own tag. */
export type CallerClaim =
  | { readonly kind: "key"; readonly keyId: string; readonly secretHash: string }
  | { readonly kind: "session"; readonly sessionId: string; readonly secretHash: string };

export interface AuthorizeInput {
  readonly requestId: string;
  readonly tenantId: string;
  readonly claim: CallerClaim;
  /** Null for what every living key and session may. */
  readonly scope: Scope | null;
  readonly clientIp?: string | undefined;
}

export type AuthorizeOutcome =
  | {
      readonly ok: true;
      readonly caller: Caller;
      /** The tenant's fair-share weight. */
      readonly weight: number;
      /** Of the tenant's API limits, which sessions do not count towards. */
      readonly rates: RateState | null;
      /** For the scope `files` alone: opens the content of the tenant's files. Never leaves the edge. */
      readonly filesKey?: string;
      /** For the scope `tenant:export` alone: opens what is retained of the tenant. Likewise. */
      readonly retainedKey?: string;
    }
  | { readonly ok: false; readonly error: ErrorValue; readonly rates: RateState | null };

/** The part of TenantAccount's RPC surface that is about access. */
export interface AccountAccessRpc {
  /** One call for a route that computes nothing; commits nothing. */
  authorize(input: AuthorizeInput): Promise<AuthorizeOutcome>;
  /** Adds a key, or replaces one with the same id; false when the tenant has as many live keys as it may. */
  putKey(key: AccountKey): Promise<boolean>;
  /** Changes what is named of a key, at once. */
  changeKey(
    keyId: string,
    change: Partial<KeyTerms>,
    manager?: KeyManager | null,
  ): Promise<KeyOutcome>;
  /** Gives a key a successor; both serve until the grace time is over. */
  rotateKey(rotation: KeyRotation, manager?: KeyManager | null): Promise<KeyOutcome>;
  /** Revokes at once and ends the key's work; false when the key is unknown to the manager. Idempotent. */
  revokeKey(keyId: string, manager?: KeyManager | null): Promise<boolean>;
  /** Of keys that were ever used. */
  keyUses(): Promise<readonly KeyUse[]>;
}
