// Owns the forms in which a ledger entry is told to billing systems: a CloudEvent, and values of meters. Pure. Invariant:
// an entry's id is made of its own key, so it is the same however often it is told.
import type { LedgerEntry } from "./ledger-entry.ts";

/** What of an entry can be metered: billed tokens of each kind, and the cost in nano-USD. */
export const MEASURES = [
  "prompt_tokens",
  "cached_tokens",
  "output_tokens",
  "cost_nano_usd",
] as const;
export type Measure = (typeof MEASURES)[number];

/** The event name of the meter of each measure that is metered. */
export type Meters = Readonly<Partial<Record<Measure, string>>>;

/** An entry as it is read back. */
export type ToldEntry = Omit<LedgerEntry, "billedNanoUsd" | "creditNanoUsd"> & {
  readonly billedNanoUsd: number;
  readonly creditNanoUsd?: number;
};

/** Standard CloudEvents 1.0, of one entry. */
export interface UsageEvent {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** The tenant, or what it is called at the billing system. */
  readonly subject: string;
  /** When the request ended, as RFC 3339. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

const SOURCE = "/fairlane/ledger";

/** The id of an entry's event: its key in the ledger. */
export function usageEventId(
  entry: Pick<LedgerEntry, "requestId" | "attempt" | "entrySeq">,
): string {
  return `${entry.requestId}:${entry.attempt}:${entry.entrySeq}`;
}

/** What an entry bills, by measure. */
export function measuresOf(entry: ToldEntry): Readonly<Record<Measure, number>> {
  return {
    prompt_tokens: entry.billedPromptTokens,
    cached_tokens: entry.billedCachedTokens,
    output_tokens: entry.billedOutputTokens,
    cost_nano_usd: entry.billedNanoUsd,
  };
}

/** The CloudEvent of an entry. No text of a request is in it. */
export function usageEvent(
  entry: ToldEntry,
  names: { readonly type: string; readonly subject: string },
): UsageEvent {
  return {
    specversion: "1.0",
    id: usageEventId(entry),
    source: SOURCE,
    type: names.type,
    subject: names.subject,
    time: new Date(entry.endedAtMs).toISOString(),
    datacontenttype: "application/json",
    data: {
      tenant_id: entry.tenantId,
      project_id: entry.projectId,
      key_id: entry.keyId,
      request_id: entry.requestId,
      attempt: entry.attempt,
      entry_seq: entry.entrySeq,
      model: entry.model,
      price_version: entry.priceVersion,
      finish_reason: entry.finishReason,
      estimated: entry.estimated,
      fault: entry.fault,
      ...measuresOf(entry),
      credit_nano_usd: entry.creditNanoUsd ?? 0,
    },
  };
}

/** One value of a meter of Stripe's. */
export interface MeterEvent {
  readonly eventName: string;
  /** Unique for entry and measure; at most 100 characters, as Stripe has it. */
  readonly identifier: string;
  readonly value: number;
  readonly timestampSeconds: number;
}

/** The meter events of an entry: of each measure that is metered and not 0. */
export function meterEvents(entry: ToldEntry, meters: Meters): readonly MeterEvent[] {
  const values = measuresOf(entry);
  return MEASURES.flatMap((measure) => {
    const eventName = meters[measure];
    const value = values[measure];
    if (eventName === undefined || value === 0) return [];
    const identifier = `${usageEventId(entry)}:${measure}`;
    return [
      { eventName, identifier, value, timestampSeconds: Math.floor(entry.endedAtMs / 1_000) },
    ];
  });
}
