// Owns the end of an account: whether it is being erased, and what is taken out of its tables. Invariant: an account that
// is being erased, or was, takes no configuration, key, member or credit; the database itself refuses them.
import type { ErasureStanding, ErasureStep } from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";
import { cancelWork } from "./cancel-work.ts";
import type { Books } from "./settle.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS erasure (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  state TEXT NOT NULL
) STRICT;
`;

/** Whatever tells of people or of their machines. */
const PERSONAL = [
  "keys",
  "key_uses",
  "members",
  "secrets",
  "idempotency",
  "webhook_events",
  "own_budgets",
];
/** What would bring the account back. */
const GUARDED = ["config", "keys", "members", "secrets", "credit_grants", "own_budgets"];

export class Erasure {
  readonly #ctx: DurableObjectState;
  readonly #env: HubEnv;
  readonly #books: Books;
  readonly #storage: DurableObjectStorage;

  /** After the account's own tables were made. */
  constructor(ctx: DurableObjectState, env: HubEnv, books: Books) {
    this.#ctx = ctx;
    this.#env = env;
    this.#books = books;
    this.#storage = ctx.storage;
    this.#storage.sql.exec(TABLE_SQL);
    if (this.state !== "living") this.#guard();
  }

  get state(): ErasureStanding["state"] {
    const [row] = this.#storage.sql.exec<{ state: string }>("SELECT state FROM erasure").toArray();
    if (row === undefined) return "living";
    return row.state === "erased" ? "erased" : "erasing";
  }

  /**
   * Does the step unless it was done, or comes too early: an account is emptied once all of its entries are in the ledger.
   * One that changed something rejects: the account restarts, since what is in memory is wrong then.
   */
  async take(step: ErasureStep, heldCount: number): Promise<ErasureStanding> {
    const { state } = this;
    const { entries: waitingEntries } = this.#books.outbox.waiting();
    const tenantId = this.#books.configs.config?.tenantId;
    if (step === "begin" && state === "living") this.#begin();
    else if (step === "finish" && state === "erasing" && waitingEntries === 0) await this.#finish();
    else return { state, heldCount, waitingEntries };
    await this.#storage.sync();
    if (tenantId !== undefined) await cancelWork(this.#env, { tenantId, keyId: null });
    this.#ctx.abort("the tenant is erased");
    return { state: this.state, heldCount: 0, waitingEntries: 0 };
  }

  #begin(): void {
    this.#storage.transactionSync(() => {
      for (const table of PERSONAL) this.#storage.sql.exec(`DELETE FROM ${table}`);
      // Prices stay, for what is still to be settled.
      this.#storage.sql.exec(
        `UPDATE config SET config = json_set(config, '$.active', json('false'), '$.webhookUrl', NULL,
         '$.scopeLimits', json('[]'), '$.budgets', json('[]'))`,
      );
      this.#note("erasing");
    });
  }

  async #finish(): Promise<void> {
    await this.#storage.deleteAll();
    // If it stops in between, the account is empty and the same step comes again.
    this.#storage.sql.exec(TABLE_SQL);
    this.#note("erased");
  }

  #note(state: "erasing" | "erased"): void {
    this.#storage.sql.exec(
      "INSERT INTO erasure (id, state) VALUES (1, ?) ON CONFLICT DO UPDATE SET state = excluded.state",
      state,
    );
  }

  #guard(): void {
    for (const table of GUARDED) {
      this.#storage.sql.exec(
        `CREATE TRIGGER IF NOT EXISTS no_${table} BEFORE INSERT ON ${table}
         BEGIN SELECT RAISE(ABORT, 'the tenant is erased'); END`,
      );
    }
  }
}
