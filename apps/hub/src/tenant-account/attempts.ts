// Owns what the account remembers of attempts: counts of each, so that every token is billed once over all
// attempts of a request and a final record counts once. Only the newest ATTEMPTS_KEPT_MAX are kept: attempts of one
// request end within minutes of each other.
import type { UsageAttempt } from "@fairlane/ledger";
import { ATTEMPTS_KEPT_MAX } from "../limits.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS attempts (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  request_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  final INTEGER NOT NULL,
  computed_prompt_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  UNIQUE (request_id, attempt)
) STRICT;
`;

interface AttemptRow extends Record<string, SqlStorageValue> {
  readonly attempt: number;
  readonly final: number;
  readonly computed_prompt_tokens: number;
  readonly cached_tokens: number;
  readonly output_tokens: number;
}

/** Attempts of one request. */
export interface KnownAttempts {
  /** The attempt that was asked for, if a record of it has come. */
  readonly known: UsageAttempt | undefined;
  /** The other ones that have ended. */
  readonly earlier: readonly UsageAttempt[];
}

export class AttemptMemory {
  readonly #sql: SqlStorage;
  readonly #keptMax: number;

  constructor(sql: SqlStorage, keptMax: number = ATTEMPTS_KEPT_MAX) {
    this.#sql = sql;
    this.#keptMax = keptMax;
    sql.exec(TABLE_SQL);
  }

  read(requestId: string, attempt: number): KnownAttempts {
    const rows = this.#sql
      .exec<AttemptRow>(
        `SELECT attempt, final, computed_prompt_tokens, cached_tokens, output_tokens
         FROM attempts WHERE request_id = ?`,
        requestId,
      )
      .toArray();
    const known = rows.find((row) => row.attempt === attempt);
    return {
      known: known && attemptOf(known),
      earlier: rows.filter((row) => row.attempt !== attempt && row.final === 1).map(attemptOf),
    };
  }

  /** Writes the attempt as it is now, as the newest. */
  write(requestId: string, attempt: number, counts: UsageAttempt): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO attempts
         (request_id, attempt, final, computed_prompt_tokens, cached_tokens, output_tokens)
       VALUES (?, ?, ?, ?, ?, ?)`,
      requestId,
      attempt,
      counts.final ? 1 : 0,
      counts.computedPromptTokens,
      counts.cachedTokens,
      counts.outputTokens,
    );
  }

  /** Forgets all but the newest. */
  prune(): void {
    this.#sql.exec(
      "DELETE FROM attempts WHERE position <= (SELECT max(position) FROM attempts) - ?",
      this.#keptMax,
    );
  }
}

function attemptOf(row: AttemptRow): UsageAttempt {
  return {
    final: row.final === 1,
    computedPromptTokens: row.computed_prompt_tokens,
    cachedTokens: row.cached_tokens,
    outputTokens: row.output_tokens,
  };
}
