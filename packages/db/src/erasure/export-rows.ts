// Owns reading all that the databases have of one tenant, in pages, as the columns are called: for handing it out, so
// without what authenticates (hashes of secrets).
import { sql } from "drizzle-orm";
import type { ControlDb, LedgerDb } from "../client.ts";
import { EXPORT_PAGE_ROWS } from "../limits.ts";

export type ExportRow = Readonly<Record<string, unknown>>;

/** What a row is of; the name of its type in an export. */
const TABLES = {
  project: "projects",
  member: "members",
  api_key: "api_keys",
  adapter: "adapters",
  file: "files",
  upload: "uploads",
  audit_entry: "audit_log",
  invoice: "invoices",
  invoice_adjustment: "invoice_adjustments",
} as const;

export type ExportedKind =
  keyof typeof TABLES | "adapter_version" | "invoice_line" | "ledger_entry";

/** Of these the text is JSON. */
const JSON_COLUMNS = new Set([
  "scopes",
  "allowed_models",
  "allowed_adapters",
  "allowed_ips",
  "details",
  "config",
  "content",
]);
const HIDDEN_COLUMNS = new Set(["secret_hash", "position"]);

/** Rows of the control database, one kind after another. */
export async function* exportRegister(
  db: ControlDb,
  tenantId: string,
): AsyncGenerator<{ readonly kind: ExportedKind; readonly row: ExportRow }> {
  for (const [kind, table] of Object.entries(TABLES)) {
    const from = sql.identifier(table);
    const page = (after: string) =>
      db.all<ExportRow>(sql`SELECT * FROM ${from} WHERE tenant_id = ${tenantId} AND id > ${after}
        ORDER BY id LIMIT ${EXPORT_PAGE_ROWS}`);
    // Of the entries above.
    for await (const row of byId(page)) yield { kind: kind as ExportedKind, row };
  }
  const page = (after: string) =>
    db.all<ExportRow>(sql`SELECT adapter_versions.* FROM adapter_versions
      JOIN adapters ON adapters.id = adapter_versions.adapter_id
      WHERE adapters.tenant_id = ${tenantId} AND adapter_versions.id > ${after}
      ORDER BY adapter_versions.id LIMIT ${EXPORT_PAGE_ROWS}`);
  for await (const row of byId(page)) yield { kind: "adapter_version", row };
  // Lines have no id of their own.
  const lines = (after: string) =>
    db.all<ExportRow>(sql`SELECT * FROM (SELECT invoice_id || '/' || printf('%09d', line) AS id, invoice_lines.*
      FROM invoice_lines JOIN invoices ON invoices.id = invoice_lines.invoice_id
      WHERE invoices.tenant_id = ${tenantId}) WHERE id > ${after} ORDER BY id LIMIT ${EXPORT_PAGE_ROWS}`);
  for await (const row of byId(lines)) yield { kind: "invoice_line", row };
}

/** Entries of the ledger, the oldest first. */
export async function* exportLedger(
  db: LedgerDb,
  tenantId: string,
): AsyncGenerator<{ readonly kind: ExportedKind; readonly row: ExportRow }> {
  let [endedAtMs, position] = [0, 0];
  for (;;) {
    const rows = await db.all<ExportRow>(sql`SELECT *, rowid AS position FROM ledger_entries
      WHERE tenant_id = ${tenantId} AND (ended_at_ms, rowid) > (${endedAtMs}, ${position})
      ORDER BY ended_at_ms, rowid LIMIT ${EXPORT_PAGE_ROWS}`);
    for (const row of rows) yield { kind: "ledger_entry", row: shown(row) };
    const last = rows.at(-1);
    if (last === undefined || rows.length < EXPORT_PAGE_ROWS) return;
    [endedAtMs, position] = [Number(last["ended_at_ms"]), Number(last["position"])];
  }
}

async function* byId(page: (after: string) => Promise<ExportRow[]>): AsyncGenerator<ExportRow> {
  for (let after = ""; ;) {
    const rows = await page(after);
    for (const row of rows) yield shown(row);
    const last = rows.at(-1)?.["id"];
    if (typeof last !== "string" || rows.length < EXPORT_PAGE_ROWS) return;
    after = last;
  }
}

function shown(row: ExportRow): ExportRow {
  const columns = Object.entries(row).filter(([name]) => !HIDDEN_COLUMNS.has(name));
  return Object.fromEntries(
    columns.map(([name, value]) => [
      name,
      JSON_COLUMNS.has(name) && typeof value === "string" ? JSON.parse(value) : value,
    ]),
  );
}
