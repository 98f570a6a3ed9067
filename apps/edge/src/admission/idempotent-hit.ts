// Owns what travels between admission and idempotency.ts: the key of a request on its way in, and the news that another
// request has it already.
import type { IdempotencyInput, Principal } from "@fairlane/protocol";

/** A client's key; `principal` once the account has claimed it for this request. */
export interface ClaimedKey extends IdempotencyInput {
  readonly principal: Principal | null;
}

/** Thrown instead of a principal: the key belongs to another request of the same caller and body. */
export class IdempotentHit extends Error {
  override readonly name = "IdempotentHit";
  readonly principal: Principal;
  readonly keyHash: string;
  readonly requestId: string;
  readonly state: "running" | "finished";

  constructor(hit: {
    readonly principal: Principal;
    readonly keyHash: string;
    readonly requestId: string;
    readonly state: "running" | "finished";
  }) {
    super(`the key belongs to ${hit.requestId}`);
    this.principal = hit.principal;
    this.keyHash = hit.keyHash;
    this.requestId = hit.requestId;
    this.state = hit.state;
  }
}
