// Owns the comparison of three books after a storm: the nodes' journals, the ledger, and what clients have received. It
// changes nothing. Invariant: every attempt that a journal or the ledger knows is compared, once.
import type { RunningEdge } from "../../../scripts/start-edge.ts";
import Database from "better-sqlite3";

/** Tokens of one attempt as a book has them. */
interface Attempt {
  readonly computed: readonly [prompt: number, cached: number, output: number];
}

interface LedgerAttempt extends Attempt {
  readonly requestId: string;
  readonly billedOutputTokens: number;
  readonly isEstimated: boolean;
}

export interface Books {
  readonly journal: ReadonlyMap<string, Attempt>;
  readonly ledger: readonly (LedgerAttempt & { readonly key: string })[];
  /** Attempts that a node still runs, or has not got rid of. */
  readonly openCount: number;
}

/** Reads the journals' files, also of running nodes, and the ledger. */
export async function readBooks(
  edge: RunningEdge,
  journalFiles: readonly string[],
): Promise<Books> {
  const journal = new Map<string, Attempt>();
  let openCount = 0;
  for (const file of journalFiles) openCount += readJournal(file, journal);
  const ledgerDb = await edge.openLedgerDb();
  const { results } = await ledgerDb.prepare("SELECT * FROM ledger_entries").all();
  const ledger = results.map((row) => ({
    key: `${String(row["request_id"])} ${String(row["attempt"])}`,
    requestId: String(row["request_id"]),
    computed: [
      Number(row["computed_prompt_tokens"]),
      Number(row["computed_cached_tokens"]),
      Number(row["computed_output_tokens"]),
    ] as const,
    billedOutputTokens: Number(row["billed_output_tokens"]),
    isEstimated: Number(row["estimated"] ?? 0) === 1,
  }));
  return { journal, ledger, openCount };
}

function readJournal(file: string, journal: Map<string, Attempt>): number {
  const database = new Database(file, { readonly: true });
  try {
    const rows = database
      .prepare<[], Record<string, string | number>>(
        `SELECT request_id, attempt, computed_prompt_tokens, cached_tokens, output_tokens
         FROM usage_records`,
      )
      .all();
    for (const row of rows) {
      const computed = ["computed_prompt_tokens", "cached_tokens", "output_tokens"].map((field) =>
        Number(row[field]),
      );
      const [prompt = 0, cached = 0, output = 0] = computed;
      const key = `${row["request_id"]} ${row["attempt"]}`;
      if (journal.has(key)) throw new Error(`two records of ${key}`);
      journal.set(key, { computed: [prompt, cached, output] });
    }
    const open = database.prepare<[], { open: number }>(
      `SELECT (SELECT count(*) FROM open_requests) +
         (SELECT count(*) FROM usage_records WHERE acked_at_ms IS NULL) AS open`,
    );
    return open.get()?.open ?? 0;
  } finally {
    database.close();
  }
}

/** True when nothing runs and the ledger has what the journals have. */
export function isSettled({ journal, ledger, openCount }: Books): boolean {
  const own = ledger.filter(({ isEstimated }) => !isEstimated);
  return openCount === 0 && own.length === journal.size;
}

/** Tokens by which ledger and journals differ, over all attempts; estimated entries apart. */
export function tokensDiff({ journal, ledger }: Books): number {
  let diff = 0;
  const seen = new Set<string>();
  for (const { key, computed, isEstimated } of ledger) {
    if (isEstimated) continue;
    seen.add(key);
    diff += distance(computed, journal.get(key)?.computed ?? [0, 0, 0]);
  }
  for (const [key, { computed }] of journal) {
    if (!seen.has(key)) diff += distance(computed, [0, 0, 0]);
  }
  return diff;
}

function distance(left: Attempt["computed"], right: Attempt["computed"]): number {
  return left.reduce((sum, tokens, index) => sum + Math.abs(tokens - (right[index] ?? 0)), 0);
}

/** Tokens that clients have received and that no entry bills. */
export function unbilledTokens({ ledger }: Books, received: ReadonlyMap<string, number>): number {
  const billed = new Map<string, number>();
  for (const { requestId, billedOutputTokens } of ledger) {
    billed.set(requestId, (billed.get(requestId) ?? 0) + billedOutputTokens);
  }
  let unbilled = 0;
  for (const [requestId, tokens] of received) {
    unbilled += Math.max(0, tokens - (billed.get(requestId) ?? 0));
  }
  return unbilled;
}
