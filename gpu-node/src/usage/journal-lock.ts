// Owns the rule that one process at a time uses a state folder. The lock is an SQLite file lock, so the system
// drops it with the process, however that ends; no stale lock can be left behind.
import Database from "better-sqlite3";

export interface JournalLock {
  release(): void;
}

/** Takes the lock at `path`; throws a sentence for the operator when another process holds it. */
export function lockJournal(path: string): JournalLock {
  const database = new Database(path, { timeout: 0 });
  try {
    database.pragma("locking_mode = EXCLUSIVE");
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    throw new Error(
      `Another fairlane-node uses this state folder (${path} is locked): stop it, or give this node its own --state-dir.`,
      { cause },
    );
  }
  return { release: () => database.close() };
}
