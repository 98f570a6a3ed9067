// Owns the application of the numbered SQL files to a local D1 database, in wrangler's own book-keeping table, so
// that `wrangler d1 migrations apply --local` and this agree on what has run. A file runs whole or not at all.
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

/** The part of D1 that is used; miniflare's proxy and the real binding both have it. */
export interface MigratableDatabase {
  prepare(sql: string): Statement;
  batch(statements: Statement[]): Promise<unknown>;
}

interface Statement {
  bind(...values: unknown[]): Statement;
  run(): Promise<unknown>;
  all(): Promise<{ readonly results: readonly Record<string, unknown>[] }>;
}

const BOOK = `CREATE TABLE IF NOT EXISTS d1_migrations(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;
const BREAKPOINT = "--> statement-breakpoint";

/**
 * Applies the files of `folder` that have not run yet, in the order of their names.
 * @returns the names of the files applied now
 */
export async function migrateLocal(
  database: MigratableDatabase,
  folder: string,
): Promise<string[]> {
  await database.prepare(BOOK).run();
  const { results } = await database.prepare("SELECT name FROM d1_migrations").all();
  const applied = new Set(results.map((row) => row["name"]));
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).toSorted();
  const fresh = names.filter((name) => !applied.has(name));
  for (const name of fresh) {
    const sql = await readFile(path.join(folder, name), "utf8");
    const parts = sql.split(BREAKPOINT).map((part) => part.trim());
    const statements = parts.filter((part) => part !== "").map((part) => database.prepare(part));
    const note = database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name);
    await database.batch([...statements, note]);
  }
  return fresh;
}
