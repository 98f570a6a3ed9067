// Owns a tenant's credits: grants, what is used of them and what expired. Invariant: a grant is taken once however
// often it is given, and nothing that running requests hold expires under them.
import { creditLeft, expireCredits, useCredits, type CreditGrant } from "@fairlane/ledger";
import { CREDIT_GRANTS_MAX } from "../limits.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS credit_grants (
  grant_id TEXT PRIMARY KEY,
  granted_nano_usd INTEGER NOT NULL,
  used_nano_usd INTEGER NOT NULL,
  expired_nano_usd INTEGER NOT NULL,
  granted_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER
) STRICT, WITHOUT ROWID;
`;

const ROWS_SQL = `
SELECT grant_id AS grantId, granted_nano_usd AS grantedNanoUsd, used_nano_usd AS usedNanoUsd,
  expired_nano_usd AS expiredNanoUsd, granted_at_ms AS grantedAtMs, expires_at_ms AS expiresAtMs
FROM credit_grants ORDER BY granted_at_ms, grant_id`;

export class CreditStore {
  readonly #sql: SqlStorage;
  /** Undefined after a write, which may yet be rolled back. */
  #grants: readonly CreditGrant[] | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE_SQL);
  }

  /** All grants, the oldest first; at most CREDIT_GRANTS_MAX. */
  get grants(): readonly CreditGrant[] {
    this.#grants ??= this.#sql
      .exec<CreditGrant & Record<string, SqlStorageValue>>(ROWS_SQL)
      .toArray();
    return this.#grants;
  }

  /** Used of all grants. */
  get usedNanoUsd(): number {
    return this.grants.reduce((sum, grant) => sum + grant.usedNanoUsd, 0);
  }

  /** What is left, once what is over has expired, but for what running requests hold. */
  leftNanoUsd(heldNanoUsd: number, nowMs: number): number {
    for (const grant of expireCredits(this.grants, nowMs, heldNanoUsd)) this.#write(grant);
    return this.grants.reduce((sum, grant) => sum + creditLeft(grant), 0);
  }

  /** Adds a grant; "known" when it was given before, "full" when there are too many that are not used up. */
  grant(grant: CreditGrant): "granted" | "known" | "full" {
    const { grants } = this;
    if (grants.some(({ grantId }) => grantId === grant.grantId)) return "known";
    if (grants.length >= CREDIT_GRANTS_MAX) return "full";
    this.#write(grant);
    return "granted";
  }

  /** Uses credits for an amount, as far as they go; returns what they cover. Call inside the settlement's transaction. */
  use(amountNanoUsd: number): number {
    const { changed, uncoveredNanoUsd } = useCredits(this.grants, amountNanoUsd);
    for (const grant of changed) this.#write(grant);
    return amountNanoUsd - uncoveredNanoUsd;
  }

  #write(grant: CreditGrant): void {
    this.#grants = undefined;
    this.#sql.exec(
      `INSERT OR REPLACE INTO credit_grants (
         grant_id, granted_nano_usd, used_nano_usd, expired_nano_usd, granted_at_ms, expires_at_ms
       ) VALUES (?, ?, ?, ?, ?, ?)`,
      grant.grantId,
      grant.grantedNanoUsd,
      grant.usedNanoUsd,
      grant.expiredNanoUsd,
      grant.grantedAtMs,
      grant.expiresAtMs,
    );
  }
}
