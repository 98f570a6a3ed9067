// Owns what a batch keeps in its object: the batch as it is, where reading the input stands, lines that are to be tried
// again, and the result of each line that is done. Invariant: a line is in one place: not read yet, waiting, or done.
import type { BatchView } from "@fairlane/protocol";
import { BATCH_PAGE_ROWS } from "./limits.ts";

const TABLES_SQL = `
CREATE TABLE IF NOT EXISTS batch (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  view TEXT NOT NULL,
  next_byte INTEGER NOT NULL,
  next_line INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS waiting (
  line_index INTEGER PRIMARY KEY,
  text TEXT NOT NULL,
  try_index INTEGER NOT NULL,
  due_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS results (
  line_index INTEGER PRIMARY KEY,
  custom_id TEXT,
  is_error INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS rounds (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  is_open INTEGER NOT NULL,
  lost_count INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS results_by_custom_id ON results (custom_id);
`;

/** Where reading the input stands. */
export interface InputPlace {
  readonly byte: number;
  readonly lineIndex: number;
}

/** A line of the input, with how often it was tried. */
export interface BatchLine {
  readonly lineIndex: number;
  readonly text: string;
  readonly tryIndex: number;
}

/** What became of a line. */
export interface LineResult {
  readonly lineIndex: number;
  /** Null for a line that has none, or one that another line has. */
  readonly customId: string | null;
  readonly isError: boolean;
  /** The line of the output or error file. */
  readonly text: string;
}

export class BatchStore {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.createTables();
  }

  createTables(): void {
    this.#storage.sql.exec(TABLES_SQL);
  }

  read(): { readonly view: BatchView; readonly place: InputPlace } | undefined {
    const [row] = this.#storage.sql
      .exec<{ view: string; next_byte: number; next_line: number }>(
        "SELECT view, next_byte, next_line FROM batch",
      )
      .toArray();
    if (!row) return undefined;
    // Written by `write` below.
    const view = JSON.parse(row.view) as BatchView;
    return { view, place: { byte: row.next_byte, lineIndex: row.next_line } };
  }

  write(view: BatchView, place: InputPlace): void {
    this.#storage.sql.exec(
      `INSERT INTO batch (id, view, next_byte, next_line) VALUES (1, ?, ?, ?)
       ON CONFLICT DO UPDATE SET view = excluded.view, next_byte = excluded.next_byte, next_line = excluded.next_line`,
      JSON.stringify(view),
      place.byte,
      place.lineIndex,
    );
  }

  /** A round begins; returns how many before it may have run lines whose outcome was not kept. */
  beginRound(): number {
    const row = this.#storage.sql
      .exec<{ lost_count: number }>(
        `INSERT INTO rounds (id, is_open, lost_count) VALUES (1, 1, 0)
         ON CONFLICT DO UPDATE SET lost_count = lost_count + is_open, is_open = 1 RETURNING lost_count`,
      )
      .one();
    return row.lost_count;
  }

  /** What a round came to, all or nothing. */
  writeRound(round: {
    /** Of some line it is not known whether it ran. */
    readonly isPartlyLost: boolean;
    readonly view: BatchView;
    readonly place: InputPlace;
    readonly results: readonly LineResult[];
    readonly again: readonly (BatchLine & { readonly dueMs: number })[];
  }): void {
    this.#storage.transactionSync(() => {
      for (const { lineIndex, customId, isError, text } of round.results) {
        this.#storage.sql.exec("DELETE FROM waiting WHERE line_index = ?", lineIndex);
        this.#storage.sql.exec(
          "INSERT INTO results (line_index, custom_id, is_error, text) VALUES (?, ?, ?, ?)",
          ...[lineIndex, customId, isError ? 1 : 0, text],
        );
      }
      for (const { lineIndex, text, tryIndex, dueMs } of round.again) {
        this.#storage.sql.exec(
          `INSERT INTO waiting (line_index, text, try_index, due_ms) VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET try_index = excluded.try_index, due_ms = excluded.due_ms`,
          ...[lineIndex, text, tryIndex, dueMs],
        );
      }
      const lost = round.isPartlyLost ? 1 : 0;
      this.#storage.sql.exec("UPDATE rounds SET is_open = 0, lost_count = lost_count + ?", lost);
      this.write(round.view, round.place);
    });
  }

  /** Lines that wait and are due, the first ones first. */
  due(nowMs: number, countMax: number): readonly BatchLine[] {
    const rows = this.#storage.sql.exec<{ line_index: number; text: string; try_index: number }>(
      "SELECT line_index, text, try_index FROM waiting WHERE due_ms <= ? ORDER BY line_index LIMIT ?",
      nowMs,
      countMax,
    );
    return [...rows].map((row) => ({
      lineIndex: row.line_index,
      text: row.text,
      tryIndex: row.try_index,
    }));
  }

  /** Lines that wait, and when the first is due. */
  get waiting(): { readonly count: number; readonly dueMs: number } {
    const row = this.#storage.sql
      .exec<{ total: number; due_ms: number | null }>(
        "SELECT count(*) AS total, min(due_ms) AS due_ms FROM waiting",
      )
      .one();
    return { count: row.total, dueMs: row.due_ms ?? 0 };
  }

  /** True when a line with this id is done. */
  hasCustomId(customId: string): boolean {
    const rows = this.#storage.sql.exec("SELECT 1 FROM results WHERE custom_id = ?", customId);
    return rows.toArray().length > 0;
  }

  /** Bytes of the file of results or errors, line ends included; 0: there are none. */
  fileBytes(isError: boolean): number {
    const row = this.#storage.sql
      .exec<{ bytes: number | null }>(
        "SELECT sum(length(CAST(text AS BLOB)) + 1) AS bytes FROM results WHERE is_error = ?",
        isError ? 1 : 0,
      )
      .one();
    return row.bytes ?? 0;
  }

  /** The lines of a file, some at a time, in the order of the input. */
  *pages(isError: boolean): Generator<string> {
    for (let after = -1; ;) {
      const rows = this.#storage.sql
        .exec<{ line_index: number; text: string }>(
          "SELECT line_index, text FROM results WHERE is_error = ? AND line_index > ? ORDER BY line_index LIMIT ?",
          ...[isError ? 1 : 0, after, BATCH_PAGE_ROWS],
        )
        .toArray();
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.line_index;
      yield rows.map(({ text }) => `${text}\n`).join("");
    }
  }

  /** The files are written: their lines need not be kept here. */
  clearLines(): void {
    this.#storage.sql.exec("DELETE FROM results");
    this.#storage.sql.exec("DELETE FROM waiting");
  }
}
