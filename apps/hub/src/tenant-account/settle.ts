// E6, bill, second half: applies usage records past the watermark of their (node, epoch), in one transaction:
// attempts, spend, credits, alerts, the ledger outbox and the watermark itself together or not at all. Invariant: a record is
// applied at most once however often and in whatever order batches come; a gap stops the batch, unless the node was
// told that what is missing had arrived.
import {
  applyRecord,
  ledgerEntry,
  shareCredit,
  type LedgerEntry,
  type UsageAttempt,
} from "@fairlane/ledger";
import type { SettleBatch, SettleRecord, UsageRecord } from "@fairlane/protocol";
import { logEvent } from "../log.ts";
import type { Watermarks } from "../watermarks.ts";
import { alertPassed, spentBefore } from "./budget-alerts.ts";
import type { ConfigStore } from "./account-config.ts";
import type { AttemptMemory } from "./attempts.ts";
import type { CreditStore } from "./credit-store.ts";
import type { Outbox } from "./outbox.ts";
import type { SpendStore } from "./spend.ts";
import type { WebhookOutbox } from "./webhook-outbox.ts";

/** The parts of an account that a settlement writes. */
export interface Books {
  readonly storage: DurableObjectStorage;
  readonly configs: ConfigStore;
  readonly watermarks: Watermarks;
  readonly attempts: AttemptMemory;
  readonly spend: SpendStore;
  readonly credits: CreditStore;
  readonly outbox: Outbox;
  readonly webhooks: WebhookOutbox;
}

export interface SettledAttempt {
  readonly requestId: string;
  readonly attempt: number;
}

export interface Settlement {
  readonly watermark: number;
  /** Entries made now; their holds are over. */
  readonly entries: readonly LedgerEntry[];
  /** Attempts that were settled before and ran again: they make no entry, and their holds are over as well. */
  readonly repeated: readonly SettledAttempt[];
}

/** Settles a batch of one tenant's records. */
export function settle(books: Books, batch: SettleBatch, nowMs: number): Settlement {
  const { nodeId, epoch } = batch;
  const tenantId = batch.records[0]?.tenant_id ?? "";
  const source = { tenantId, nodeId, epoch };
  // 1. Guards: a full outbox takes nothing, so that the chain behind it keeps the records.
  if (books.outbox.isFull) {
    logEvent("error", "outbox_full", { tenantId });
    return { watermark: books.watermarks.read(source), entries: [], repeated: [] };
  }
  const settlement = books.storage.transactionSync((): Settlement => {
    // 2. What continues the sequence.
    const known = books.watermarks.read(source);
    const { afterSeq = known } = batch;
    if (afterSeq > known) {
      logEvent("error", "usage_gap_accepted", {
        ...source,
        firstSeq: known + 1,
        lastSeq: afterSeq,
      });
    }
    const records = continuing(batch.records, Math.max(known, afterSeq));
    const last = records.at(-1);
    if (!last) return { watermark: known, entries: [], repeated: [] };
    // 3. Apply.
    const entries: LedgerEntry[] = [];
    const repeated: SettledAttempt[] = [];
    for (const record of records) {
      const isEstimated = record.estimated === true;
      const made = (isEstimated ? applyEstimate : applyOne)(books, batch, record);
      entries.push(...made);
      const { final: isFinal, request_id: requestId, attempt } = record;
      if (isFinal && !isEstimated && made.length === 0) repeated.push({ requestId, attempt });
    }
    books.attempts.prune();
    if (entries.length > 0) charge(books, entries, nowMs);
    books.watermarks.raise(source, last.seq);
    return { watermark: last.seq, entries, repeated };
  });
  if (settlement.entries.length > 0) books.outbox.added();
  return settlement;
}

/** Spends what the entries bill: credits first, alerts for what is passed; then it waits for the ledger. */
function charge(books: Books, entries: readonly LedgerEntry[], nowMs: number): void {
  const { config } = books.configs;
  const before = config && spentBefore(config, books.spend, nowMs);
  books.spend.add(entries, nowMs);
  const covered = books.credits.use(entries.reduce((sum, entry) => sum + entry.billedNanoUsd, 0));
  if (config && before) alertPassed(books, { config, before }, nowMs);
  books.outbox.insert(covered === 0 ? entries : shareCredit(entries, covered));
}

function continuing(records: readonly SettleRecord[], known: number): readonly SettleRecord[] {
  let last = known;
  return records.filter(({ seq }) => {
    if (seq !== last + 1) return false;
    last = seq;
    return true;
  });
}

const NO_COUNTS: UsageAttempt = {
  final: false,
  computedPromptTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
};

/** Added to the attempt of an estimate, so that it counts as an attempt of its own beside the node's. */
const ESTIMATE_ATTEMPTS = 1_000_000;

/**
 * The entry of an estimate: what no record of the request has billed yet. None when the records have it all; a record that
 * comes later bills what it has beyond the estimate.
 */
function applyEstimate(
  books: Books,
  { nodeId, epoch }: SettleBatch,
  record: SettleRecord,
): readonly LedgerEntry[] {
  const { request_id: requestId, attempt, tenant_id: tenantId } = record;
  const key = attempt + ESTIMATE_ATTEMPTS;
  const { known, earlier } = books.attempts.read(requestId, key);
  const applied = applyRecord(known, record);
  if (!applied.ok) return [];
  books.attempts.write(requestId, key, applied.value);
  const prices = books.configs.prices(record.price_version);
  const entry = ledgerEntry({
    ...{ record, nodeId, epoch, prices, earlier },
    fault: null,
    estimated: true,
  });
  const { billedPromptTokens, billedCachedTokens, billedOutputTokens } = entry;
  if (billedPromptTokens + billedCachedTokens + billedOutputTokens === 0) return [];
  logEvent("warn", "usage_estimated", { tenantId, requestId, attempt, billedOutputTokens });
  return [entry];
}

/** The entry of a final record; none for a record of a request that goes on, or for a final one that came twice. */
function applyOne(
  books: Books,
  { nodeId, epoch }: SettleBatch,
  record: UsageRecord,
): readonly LedgerEntry[] {
  const { request_id: requestId, attempt, tenant_id: tenantId } = record;
  const { known, earlier } = books.attempts.read(requestId, attempt);
  const applied = applyRecord(known, record);
  const fault = applied.ok ? null : applied.error;
  if (fault !== null) {
    logEvent("error", "usage_record_faulty", { tenantId, requestId, attempt, fault });
    if (fault === "already_final") return [];
  }
  if (applied.ok) books.attempts.write(requestId, attempt, applied.value);
  if (!record.final) return [];
  // A faulty final record closes its attempt all the same: it will not come again in a better form.
  if (!applied.ok)
    books.attempts.write(requestId, attempt, { ...(known ?? NO_COUNTS), final: true });
  const prices = books.configs.prices(record.price_version);
  const entry = ledgerEntry({ record, nodeId, epoch, prices, earlier, fault });
  if (entry.fault !== null) {
    logEvent("error", "entry_not_billed", { tenantId, requestId, attempt, fault: entry.fault });
  }
  return [entry];
}
