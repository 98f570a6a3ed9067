// Owns the tenant's configuration as the account keeps it: the newest one, the budgets that the tenant has set beside the
// operator's, and every price version it was ever given (requests keep the version they were admitted under). Memory is a
// copy of the tables, written after them.
import type {
  AccountConfig,
  AccountPrices,
  Budget,
  OwnBudgetChange,
  OwnBudgetOutcome,
} from "@fairlane/protocol";
import { OWN_BUDGETS_MAX, PRICE_VERSIONS_MAX } from "../limits.ts";

const TABLES_SQL = `
CREATE TABLE IF NOT EXISTS config (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  config TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS own_budgets (
  scope_id TEXT NOT NULL,
  window TEXT NOT NULL,
  mode TEXT NOT NULL,
  budget TEXT NOT NULL,
  PRIMARY KEY (scope_id, window, mode)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS price_versions (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  version TEXT NOT NULL UNIQUE,
  prices TEXT NOT NULL
) STRICT;
`;

/** Fields that a configuration written by an earlier version lacks. */
const ADDED_LATER = {
  inputTokensPerMinute: null,
  outputTokensPerMinute: null,
  scopeLimits: [],
  prepaid: false,
  budgets: [],
  webhookUrl: null,
};

export class ConfigStore {
  readonly #storage: DurableObjectStorage;
  /** With the tenant's own budgets. */
  #config: AccountConfig | undefined;
  #own: readonly Budget[];
  readonly #prices = new Map<string, AccountPrices>();

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    storage.sql.exec(TABLES_SQL);
    const [row] = storage.sql.exec<{ config: string }>("SELECT config FROM config").toArray();
    // Written by `write` below, as are the prices.
    this.#own = this.#readOwn();
    if (row) {
      this.#config = this.full({ ...ADDED_LATER, ...(JSON.parse(row.config) as AccountConfig) });
    }
    const versions = storage.sql.exec<{ prices: string }>(
      "SELECT prices FROM price_versions ORDER BY position",
    );
    for (const { prices } of versions) this.#remember(JSON.parse(prices) as AccountPrices);
  }

  /** Undefined for a tenant that was never configured. */
  get config(): AccountConfig | undefined {
    return this.#config;
  }

  /** The operator's configuration, with the budgets that the tenant has set beside it. */
  full(config: AccountConfig): AccountConfig {
    const operators = config.budgets.filter(({ setBy }) => setBy === undefined);
    return { ...config, budgets: [...operators, ...this.#own] };
  }

  /** Changes one of the tenant's own budgets. */
  changeOwn({ kind, budget }: OwnBudgetChange): OwnBudgetOutcome {
    const { scopeId, window, mode } = budget;
    const isThis = (one: Budget) =>
      one.scopeId === scopeId && one.window === window && one.mode === mode;
    const isKnown = this.#own.some(isThis);
    if (kind === "drop" && !isKnown) return "unknown";
    if (kind === "put" && !isKnown && this.#own.length >= OWN_BUDGETS_MAX) return "too_many";
    if (kind === "put") {
      const text = JSON.stringify({ ...budget, setBy: "tenant" });
      this.#storage.sql.exec(
        `INSERT INTO own_budgets (scope_id, window, mode, budget) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET budget = excluded.budget`,
        ...[scopeId, window, mode, text],
      );
    } else {
      this.#storage.sql.exec(
        "DELETE FROM own_budgets WHERE scope_id = ? AND window = ? AND mode = ?",
        ...[scopeId, window, mode],
      );
    }
    this.#own = this.#readOwn();
    if (this.#config) this.#config = this.full(this.#config);
    return "done";
  }

  #readOwn(): readonly Budget[] {
    return this.#storage.sql
      .exec<{ budget: string }>("SELECT budget FROM own_budgets ORDER BY scope_id, window, mode")
      .toArray()
      .map(({ budget }) => JSON.parse(budget) as Budget);
  }

  /** The prices of a version this account was given; versions are immutable, so the first ones stay. */
  prices(version: string): AccountPrices | undefined {
    return this.#prices.get(version);
  }

  /** Replaces the operator's configuration. */
  write(config: AccountConfig): void {
    const { prices } = config;
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec(
        `INSERT INTO config (id, config) VALUES (1, ?)
         ON CONFLICT DO UPDATE SET config = excluded.config`,
        JSON.stringify(config),
      );
      this.#storage.sql.exec(
        "INSERT INTO price_versions (version, prices) VALUES (?, ?) ON CONFLICT DO NOTHING",
        prices.version,
        JSON.stringify(prices),
      );
      this.#storage.sql.exec(
        `DELETE FROM price_versions WHERE position <= (SELECT max(position) FROM price_versions) - ?`,
        PRICE_VERSIONS_MAX,
      );
    });
    this.#config = this.full(config);
    this.#remember(prices);
  }

  #remember(prices: AccountPrices): void {
    if (this.#prices.has(prices.version)) return;
    const [oldest] = this.#prices.keys();
    if (this.#prices.size >= PRICE_VERSIONS_MAX && oldest !== undefined) {
      this.#prices.delete(oldest);
    }
    this.#prices.set(prices.version, prices);
  }
}
