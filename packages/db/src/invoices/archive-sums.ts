// Owns the sums that take archived entries' place: by hour for costs, by journal for reconciliation. Each part's are added to
// those that are there, in the part's own batch, which happens once.
import type { D1PreparedStatement } from "@cloudflare/workers-types";
import type { LedgerDb } from "../client.ts";
import type { ArchivedEntry } from "./archive-entries.ts";

interface SumTable {
  readonly table: string;
  readonly keys: readonly (readonly [
    column: string,
    keyOf: (entry: ArchivedEntry) => string | number,
  ])[];
  readonly sums: readonly (readonly [column: string, amountOf: (entry: ArchivedEntry) => number])[];
}

const HOUR_MS = 3_600_000;

const BY_HOUR: SumTable = {
  table: "ledger_archive_hours",
  keys: [
    ["tenant_id", ({ tenantId }) => tenantId],
    ["hour_ms", ({ endedAtMs }) => Math.floor(endedAtMs / HOUR_MS) * HOUR_MS],
    ["project_id", ({ projectId }) => projectId],
    ["key_id", ({ keyId }) => keyId],
    ["model", ({ model }) => model],
  ],
  sums: [
    ["entries", () => 1],
    ["billed_prompt_tokens", (entry) => entry.billedPromptTokens],
    ["billed_cached_tokens", (entry) => entry.billedCachedTokens],
    ["billed_output_tokens", (entry) => entry.billedOutputTokens],
    ["billed_nano_usd", (entry) => entry.billedNanoUsd],
  ],
};

const BY_SOURCE: SumTable = {
  table: "ledger_archive_sources",
  keys: [
    ["tenant_id", ({ tenantId }) => tenantId],
    ["node_id", ({ nodeId }) => nodeId],
    ["epoch", ({ epoch }) => epoch],
  ],
  sums: [
    ["entries", () => 1],
    ["computed_prompt_tokens", (entry) => entry.computedPromptTokens],
    ["computed_cached_tokens", (entry) => entry.computedCachedTokens],
    ["computed_output_tokens", (entry) => entry.computedOutputTokens],
  ],
};

/** The statements that add these entries to the sums; the entries of one part, so that a value stays below D1's 2 MB. */
export function archiveSums(
  ledger: LedgerDb,
  entries: readonly ArchivedEntry[],
): readonly D1PreparedStatement[] {
  const ofRecords = entries.filter(({ entrySeq }) => entrySeq === 0);
  return [addSums(ledger, BY_HOUR, entries), addSums(ledger, BY_SOURCE, ofRecords)];
}

function addSums(
  ledger: LedgerDb,
  { table, keys, sums }: SumTable,
  entries: readonly ArchivedEntry[],
): D1PreparedStatement {
  const rows = new Map<string, (string | number)[]>();
  for (const entry of entries) {
    const key = keys.map(([, keyOf]) => keyOf(entry));
    const amounts = sums.map(([, amountOf]) => amountOf(entry));
    const name = JSON.stringify(key);
    const known = rows.get(name)?.slice(key.length);
    const added = amounts.map((amount, index) => amount + Number(known?.[index] ?? 0));
    rows.set(name, [...key, ...added]);
  }
  const names = [...keys, ...sums].map(([column]) => column);
  const values = names.map((_, index) => `json_extract(value, '$[${index}]')`);
  const grown = sums.map(([column]) => `${column} = ${column} + excluded.${column}`);
  // One bound parameter however many rows. WHERE true keeps SQLite from reading ON CONFLICT as a join constraint.
  const text = `INSERT INTO ${table} (${names.join(", ")}) SELECT ${values.join(", ")} FROM json_each(?)
    WHERE true ON CONFLICT DO UPDATE SET ${grown.join(", ")}`;
  return ledger.$client.prepare(text).bind(JSON.stringify([...rows.values()]));
}
