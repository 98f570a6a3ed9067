// Owns the making of a ledger entry from a final usage record: what was computed (the node's own numbers) beside
// what is billed. The rule of docs/billing.md in code: prompt positions computed or cached, and output tokens
// sampled, each once over all attempts of a request; nothing for a request that was never scheduled.
// Invariant: entries are append-only and identified by (request, attempt, entry_seq).
import { assert, units, type NanoUsd } from "@fairlane/base";
import { isBatchRequestId, type AccountPrices, type UsageRecord } from "@fairlane/protocol";
import { costNanoUsd, priceOf, type PriceFault, type TokenSums } from "./price-list.ts";
import type { AttemptFault, UsageAttempt } from "./usage-attempt.ts";

/** Why an entry bills nothing although tokens were computed; an adjustment of the invoice makes up for it. */
export type LedgerFault = PriceFault | Exclude<AttemptFault, "already_final">;

/** One row of the ledger. */
export interface LedgerEntry {
  readonly requestId: string;
  readonly attempt: number;
  /** 0 = the entry of the usage record, 1 = of an estimate. */
  readonly entrySeq: number;
  readonly tenantId: string;
  readonly projectId: string;
  readonly keyId: string;
  readonly nodeId: string;
  readonly epoch: number;
  readonly model: string;
  readonly priceVersion: string;
  readonly finishReason: UsageRecord["finish_reason"];
  /** Tokens of the prompt as sent, computed or not. */
  readonly promptTokens: number;
  readonly computedPromptTokens: number;
  readonly computedCachedTokens: number;
  readonly computedOutputTokens: number;
  readonly billedPromptTokens: number;
  readonly billedCachedTokens: number;
  readonly billedOutputTokens: number;
  readonly billedNanoUsd: NanoUsd;
  /** Of it: what credit covered when it was settled; absent: nothing. */
  readonly creditNanoUsd?: NanoUsd;
  readonly fault: LedgerFault | null;
  /** Billed from what the hub delivered, because the node's record is lost; nothing of it is in `computed*`. */
  readonly estimated: boolean;
  readonly receivedAtMs: number;
  readonly queueMs: number;
  readonly ttftMs: number | null;
  readonly endedAtMs: number;
}

/** Of an attempt's estimated entry. */
const ESTIMATED_ENTRY_SEQ = 1;

const NOTHING: TokenSums = { promptTokens: 0, cachedTokens: 0, outputTokens: 0 };

/**
 * Tokens of this attempt that no earlier attempt of the request was billed for.
 * @param earlier the other attempts of the same request that were settled before this one
 */
export function billedTokens(record: UsageRecord, earlier: readonly UsageAttempt[]): TokenSums {
  const positions = (computed: number, cached: number): number =>
    Math.min(computed + cached, record.prompt_tokens);
  const positionsBefore = Math.max(
    0,
    ...earlier.map((attempt) => positions(attempt.computedPromptTokens, attempt.cachedTokens)),
  );
  const outputBefore = Math.max(0, ...earlier.map((attempt) => attempt.outputTokens));
  const newPositions = Math.max(
    0,
    positions(record.computed_prompt_tokens, record.cached_tokens) - positionsBefore,
  );
  // Cached ones first: they are the cheaper ones.
  const cachedTokens = Math.min(record.cached_tokens, newPositions);
  return {
    promptTokens: newPositions - cachedTokens,
    cachedTokens,
    outputTokens: Math.max(0, record.output_tokens - outputBefore),
  };
}

/** The entry of a final record. A fault never loses the computed tokens: it only bills nothing. */
export function ledgerEntry(input: {
  readonly record: UsageRecord;
  readonly nodeId: string;
  readonly epoch: number;
  /** The price list of the record's version; undefined when it is not known. */
  readonly prices: AccountPrices | undefined;
  readonly earlier: readonly UsageAttempt[];
  /** A fault that was found before pricing. */
  readonly fault: LedgerFault | null;
  /** Made from a hub's count and not from a node's journal. */
  readonly estimated?: boolean;
}): LedgerEntry {
  const { record, nodeId, epoch, prices, earlier, estimated = false } = input;
  const computed = (tokens: number): number => (estimated ? 0 : tokens);
  assert(record.final, `entry of a record that is not final: ${record.request_id}`);
  const bill = input.fault === null ? billOf(record, prices, earlier) : faulty(input.fault);
  return {
    requestId: record.request_id,
    attempt: record.attempt,
    entrySeq: estimated ? ESTIMATED_ENTRY_SEQ : 0,
    tenantId: record.tenant_id,
    projectId: record.project_id,
    keyId: record.key_id,
    nodeId,
    epoch,
    model: record.model,
    priceVersion: record.price_version,
    finishReason: record.finish_reason,
    promptTokens: record.prompt_tokens,
    computedPromptTokens: computed(record.computed_prompt_tokens),
    computedCachedTokens: computed(record.cached_tokens),
    computedOutputTokens: computed(record.output_tokens),
    billedPromptTokens: bill.tokens.promptTokens,
    billedCachedTokens: bill.tokens.cachedTokens,
    billedOutputTokens: bill.tokens.outputTokens,
    billedNanoUsd: bill.costNanoUsd,
    fault: bill.fault,
    estimated,
    receivedAtMs: record.received_at_ms,
    queueMs: record.queue_ms,
    ttftMs: record.ttft_ms,
    endedAtMs: record.ended_at_ms,
  };
}

interface Bill {
  readonly tokens: TokenSums;
  readonly costNanoUsd: NanoUsd;
  readonly fault: LedgerFault | null;
}

function billOf(
  record: UsageRecord,
  prices: AccountPrices | undefined,
  earlier: readonly UsageAttempt[],
): Bill {
  const price = prices === undefined ? undefined : priceOf(prices, record.model);
  if (price === undefined) return faulty("price_missing");
  const tokens = billedTokens(record, earlier);
  // The class of a request is in its id, so that an entry can be checked from its own columns.
  const percent = isBatchRequestId(record.request_id) ? prices?.batchPercent : undefined;
  const cost = costNanoUsd(tokens, price, percent);
  return cost.ok ? { tokens, costNanoUsd: cost.value, fault: null } : faulty(cost.error);
}

function faulty(fault: LedgerFault): Bill {
  return { tokens: NOTHING, costNanoUsd: units.nanoUsd(0), fault };
}
