// Owns the one statement that joins rows of cumulative counts into a table: of each count the larger stays, so that
// writing rows twice or late changes nothing.
import { assert } from "@fairlane/base";
import type { ServiceCounts } from "@fairlane/protocol";
import type { D1PreparedStatement } from "@cloudflare/workers-types";
import type { LedgerDb } from "./client.ts";
import { FAIR_ROWS_MAX } from "./limits.ts";

/** The counts that a row has, each with its column. */
const COUNT_COLUMNS: readonly (readonly [column: string, field: keyof ServiceCounts])[] = [
  ["input_tokens", "inputTokens"],
  ["cached_tokens", "cachedTokens"],
  ["output_tokens", "outputTokens"],
  ["service_units", "serviceUnits"],
  ["queue_ms", "queueMs"],
  ["requests", "requests"],
];

/** One statement that joins rows into a table of counts, however many there are up to FAIR_ROWS_MAX. */
export function joinRows(
  db: LedgerDb,
  options: {
    readonly table: string;
    /** Besides the counts. */
    readonly columns: readonly (readonly [column: string, field: string])[];
    /** Of those, what the newer row decides. */
    readonly replaced: readonly string[];
    readonly rows: readonly object[];
  },
): D1PreparedStatement {
  const { table, columns, replaced, rows } = options;
  assert(rows.length <= FAIR_ROWS_MAX, `${rows.length} rows in a batch, bound ${FAIR_ROWS_MAX}`);
  const all = [...columns, ...COUNT_COLUMNS];
  const names = all.map(([column]) => column).join(", ");
  const values = all.map(([, field]) => `json_extract(value, '$.${field}')`).join(", ");
  const joined = [
    ...replaced.map((column) => `${column} = excluded.${column}`),
    ...COUNT_COLUMNS.map(([column]) => `${column} = max(${column}, excluded.${column})`),
  ].join(", ");
  // One bound parameter however many rows. WHERE true keeps SQLite from reading ON CONFLICT as a join constraint.
  const text = `INSERT INTO ${table} (${names}) SELECT ${values} FROM json_each(?) WHERE true ON CONFLICT DO UPDATE SET ${joined}`;
  return db.$client.prepare(text).bind(JSON.stringify(rows));
}
