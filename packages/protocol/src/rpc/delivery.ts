// Owns what a hub tells UsageIntake of answers whose node is gone: what clients received of them, and whose they were. It
// is billed only where the node's own records do not come in time, or say less.
import type { UsageRecord } from "../wire/usage.ts";

export interface Delivery {
  readonly requestId: string;
  readonly attempt: number;
  readonly tenantId: string;
  readonly projectId: string;
  readonly keyId: string;
  readonly model: string;
  readonly priceVersion: string;
  readonly promptTokens: number;
  /** Output tokens that the hub has passed on, of all answers. */
  readonly outputTokens: number;
  readonly nodeId: string;
  readonly receivedAtMs: number;
  readonly endedAtMs: number;
}

/** A record on its way to its account: a node's own, or one that UsageIntake made from a delivery. */
export type SettleRecord = UsageRecord & {
  /** Made from what the hub delivered: it bills what no attempt's record has, and its computed tokens are nobody's. */
  readonly estimated?: true;
};
