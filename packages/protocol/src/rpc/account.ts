// Owns the types of the RPC that TenantAccount answers: edge -> account (admit, release) and
// UsageIntake -> account (settleMany). Plain data only: it crosses isolates.
import type { Scope } from "../access/scopes.ts";
import type { ErrorValue } from "../app-error.ts";
import type { SettleRecord } from "./delivery.ts";
import type { AccountAccessRpc } from "./account-access.ts";
import type { AccountConfig } from "./account-config.ts";
import type { AccountErasureRpc } from "./account-erasure.ts";
import type { AccountMembersRpc } from "./account-members.ts";
import type { IdempotencyInput, IdempotencyState, IdempotentRef } from "./idempotency.ts";
import type {
  BooksState,
  CreditInput,
  CreditOutcome,
  FundsState,
  GrantAsk,
  OwnBudgetChange,
  OwnBudgetOutcome,
  TokenGrant,
} from "./funds.ts";

/** What the edge knows when it asks: the key's claim by its MAC, and bounds of what the request may take. */
export interface AdmitInput {
  readonly requestId: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly secretHash: string;
  /** Null for what every living key may. */
  readonly scope: Scope | null;
  /** Where the client is, as the platform tells it; undefined when it does not. */
  readonly clientIp?: string | undefined;
  /** What a request that computes asks for; checked against the key's lists. */
  readonly wanted?: Wanted | undefined;
  /** Claimed for the request when it is let in; only together with a hold. */
  readonly idempotency?: IdempotencyInput | undefined;
  /** Null for routes that compute nothing: they are authorised and counted, and hold no tokens. */
  readonly hold: HoldInput | null;
}

/** Bounds of what a request may take, none below the truth. */
export interface HoldInput {
  /** Tokens of all its prompts. */
  readonly promptTokensMax: number;
  /** Output tokens of each answer. */
  readonly outputTokensMax: number;
  /** Answers that are computed, those that are not given included. */
  readonly answerCount: number;
  /** False when the hub cannot see answers grow: then all of their tokens are held at once. */
  readonly isRenewable: boolean;
  /** As the client named it; null for the default one. */
  readonly model: string | null;
  readonly leaseUntilMs: number;
}

/** The model, and the adapter on it, that a request names. */
export interface Wanted {
  readonly model: string;
  readonly adapter?: { readonly id: string; readonly ownerTenantId: string } | undefined;
}

/** The verified caller. */
export interface Principal {
  readonly tenantId: string;
  readonly projectId: string;
  readonly keyId: string;
  /** Base models that the key may use; null: all. */
  readonly allowedModels: readonly string[] | null;
  /** Adapters that the key may use, by id; null: all. */
  readonly allowedAdapters: readonly string[] | null;
  readonly weight: number;
  readonly priceVersion: string;
  /** 64 hex digits, derived from a server secret. */
  readonly tenantSalt: string;
  /** Likewise: opens what is retained of the tenant. Never leaves edge and hub. */
  readonly retainedKey: string;
}

/** State of the limits after this call: the numbers of the x-ratelimit-* headers. */
export interface RateState {
  readonly limitRequests: number;
  readonly remainingRequests: number;
  readonly resetRequestsMs: number;
  readonly limitTokens: number;
  readonly remainingTokens: number;
  readonly resetTokensMs: number;
}

export type AdmitOutcome =
  | {
      readonly ok: true;
      readonly principal: Principal;
      readonly rates: RateState;
      /** Output tokens of each answer that money is held for; null when none is bounded. */
      readonly grantTokens: number | null;
      /** The request that has the key already: nothing was held, and nothing is to be computed. */
      readonly idempotent?: {
        readonly requestId: string;
        readonly state: "running" | "finished";
      };
    }
  | { readonly ok: false; readonly error: ErrorValue; readonly rates: RateState | null };

/** The RPC surface of TenantAccount. */
export interface TenantAccountRpc extends AccountAccessRpc, AccountMembersRpc, AccountErasureRpc {
  /** Creates or replaces the tenant's configuration. */
  configure(config: AccountConfig): Promise<void>;
  admit(input: AdmitInput): Promise<AdmitOutcome>;
  /** Gives a hold back for a request that no node accepted. Idempotent; unknown ids are ignored. */
  release(requestId: string): Promise<void>;
  /** The answer of a request that claimed a key is kept: it is replayed from now on. */
  finishIdempotent(ref: IdempotentRef): Promise<void>;
  /** The request failed: the next one with its key computes. */
  forgetIdempotent(ref: IdempotentRef): Promise<void>;
  /** How far the request is; answers later while it runs, by at most `waitMs`. */
  awaitIdempotent(ref: IdempotentRef, waitMs: number): Promise<IdempotencyState>;
  /** Holds money for more output of running requests; what was granted before comes back where there is none. */
  renewGrants(asks: readonly GrantAsk[]): Promise<readonly TokenGrant[]>;
  /** Sets or takes away a budget of the tenant's own, which is held to beside the operator's. */
  changeOwnBudget(change: OwnBudgetChange): Promise<OwnBudgetOutcome>;
  /** Gives credit, once for each id. */
  grantCredit(credit: CreditInput): Promise<CreditOutcome>;
  funds(): Promise<FundsState>;
  /** @param endedBeforeMs asks every region's intake too; rejects when one does not answer */
  books(endedBeforeMs?: number): Promise<BooksState>;
  /** The secret that events to the tenant's webhook are signed with. */
  webhookSecret(): Promise<string>;
  /** Applies records past the watermark of (node, epoch), in one transaction; returns the new watermark. */
  settleMany(batch: SettleBatch): Promise<{ readonly watermark: number }>;
}

export interface SettleBatch {
  readonly nodeId: string;
  readonly epoch: number;
  /** Everything up to here was acknowledged to the node: what the account lacks of it will not come again. */
  readonly afterSeq?: number;
  /** Of one tenant, ascending by seq, without a gap. */
  readonly records: readonly SettleRecord[];
}
