// Owns the tenant's configuration as the account keeps it: the newest one, and every price version it was ever
// given (requests keep the version they were admitted under). Memory is a copy of the tables, written after them.
import type { AccountConfig, AccountPrices } from "@fairlane/protocol";
import { PRICE_VERSIONS_MAX } from "../limits.ts";

const TABLES_SQL = `
CREATE TABLE IF NOT EXISTS config (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  config TEXT NOT NULL
) STRICT;
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
  #config: AccountConfig | undefined;
  readonly #prices = new Map<string, AccountPrices>();

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    storage.sql.exec(TABLES_SQL);
    const [row] = storage.sql.exec<{ config: string }>("SELECT config FROM config").toArray();
    // Written by `write` below, as are the prices.
    if (row) this.#config = { ...ADDED_LATER, ...(JSON.parse(row.config) as AccountConfig) };
    const versions = storage.sql.exec<{ prices: string }>(
      "SELECT prices FROM price_versions ORDER BY position",
    );
    for (const { prices } of versions) this.#remember(JSON.parse(prices) as AccountPrices);
  }

  /** Undefined for a tenant that was never configured. */
  get config(): AccountConfig | undefined {
    return this.#config;
  }

  /** The prices of a version this account was given; versions are immutable, so the first ones stay. */
  prices(version: string): AccountPrices | undefined {
    return this.#prices.get(version);
  }

  /** Replaces the configuration. */
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
    this.#config = config;
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
