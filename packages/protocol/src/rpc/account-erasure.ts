// Owns the types of the RPC with which a tenant's account is erased, step by step. Plain data only: it crosses isolates.

/** `begin` takes everything personal out and ends all work; `finish` empties the account; `look` changes nothing. */
export type ErasureStep = "begin" | "finish" | "look";

/** Where an account stands. An erased one refuses everything. */
export interface ErasureStanding {
  readonly state: "living" | "erasing" | "erased";
  /** Requests that hold something. */
  readonly heldCount: number;
  /** Ledger entries that are not yet in the ledger. */
  readonly waitingEntries: number;
}

/** The part of TenantAccount's RPC surface that is about its end. */
export interface AccountErasureRpc {
  /** `begin` and `finish` restart the account once they are done, which rejects the call that did it: ask again. */
  erase(step: ErasureStep): Promise<ErasureStanding>;
}
