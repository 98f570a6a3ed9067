// Owns the tables of the usage journal and how its file is opened: WAL without an fsync per commit, so a commit
// survives the death of the process (not of the machine) and costs microseconds. Statements that read and write
// rows are usage-journal.ts's.
import Database from "better-sqlite3";
import { JOURNAL_HARD_BYTES_MAX, WAL_KEPT_BYTES_MAX } from "./limits.ts";

const SCHEMA_VERSION = 1;
export const PAGE_BYTES = 4_096;

const SCHEMA_SQL = `
CREATE TABLE node (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  node_id TEXT NOT NULL,
  epoch INTEGER NOT NULL
) STRICT;
-- One row from accept to the final record.
CREATE TABLE open_requests (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  epoch INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  price_version TEXT NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  received_at_ms INTEGER NOT NULL
) STRICT;
-- The newest cumulative counts of every open request that was scheduled; see live-counts.ts.
CREATE TABLE live_counts (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  written_at_ms INTEGER NOT NULL,
  packed BLOB NOT NULL
) STRICT;
CREATE TABLE tenant_seqs (
  epoch INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  last_seq INTEGER NOT NULL,
  PRIMARY KEY (epoch, tenant_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_records (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  epoch INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  project_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  price_version TEXT NOT NULL,
  finish_reason TEXT NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  computed_prompt_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  received_at_ms INTEGER NOT NULL,
  queue_ms INTEGER NOT NULL,
  ttft_ms INTEGER,
  ended_at_ms INTEGER NOT NULL,
  acked_at_ms INTEGER,
  UNIQUE (epoch, tenant_id, seq)
) STRICT;
CREATE INDEX usage_records_unacked ON usage_records (epoch, position) WHERE acked_at_ms IS NULL;
CREATE INDEX usage_records_acked ON usage_records (position) WHERE acked_at_ms IS NOT NULL;
`;

/** Opens the journal's file, makes its tables when it is new, and refuses a file that is damaged or newer. */
export function openJournalFile(path: string): Database.Database {
  const database = new Database(path);
  try {
    database.pragma(`page_size = ${PAGE_BYTES}`);
    database.pragma("journal_mode = WAL");
    // NORMAL: no fsync per commit; checkpoints sync, so a lost machine loses the tail but never the file.
    database.pragma("synchronous = NORMAL");
    database.pragma(`journal_size_limit = ${WAL_KEPT_BYTES_MAX}`);
    database.pragma(`max_page_count = ${JOURNAL_HARD_BYTES_MAX / PAGE_BYTES}`);
    const version = database.pragma("user_version", { simple: true });
    if (version === 0) createTables(database);
    else if (version !== SCHEMA_VERSION) {
      throw new Error(
        `its schema version is ${String(version)}, this node knows ${SCHEMA_VERSION}`,
      );
    }
    return database;
  } catch (cause) {
    database.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `The usage journal ${path} cannot be opened: ${why}. It holds usage that may not be billed yet: keep the file, and start with another --state-dir.`,
      { cause },
    );
  }
}

function createTables(database: Database.Database): void {
  database.transaction(() => {
    database.exec(SCHEMA_SQL);
    database.pragma(`user_version = ${SCHEMA_VERSION}`);
  })();
}
