// Usage records, accounts and the ledger, for tests.
import { newestLedgerEntries, openLedgerDb, type LedgerRow } from "@fairlane/db";
import type {
  AccountConfig,
  AccountKey,
  AdmitInput,
  HoldInput,
  UsageRecord,
} from "@fairlane/protocol";
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

/** Prices of a thousand nano-USD a token for input, 500 cached, 2,000 output. */
export const PRICES = {
  version: "plan_a",
  models: {
    tiny: {
      inputNanoUsdPerMillion: 1_000_000_000,
      cachedInputNanoUsdPerMillion: 500_000_000,
      outputNanoUsdPerMillion: 2_000_000_000,
    },
  },
};

export function configOf(tenantId: string, change: Partial<AccountConfig> = {}): AccountConfig {
  return {
    tenantId,
    active: true,
    weight: 3,
    requestsPerMinute: 600,
    tokensPerMinute: 100_000,
    inputTokensPerMinute: null,
    outputTokensPerMinute: null,
    parallelRequests: 8,
    scopeLimits: [],
    prepaid: false,
    budgets: [],
    webhookUrl: null,
    prices: PRICES,
    ...change,
  };
}

export function keyOf(change: Partial<AccountKey> = {}): AccountKey {
  return {
    keyId: "key_a",
    projectId: "prj_a",
    secretHash: "5e".repeat(32),
    scopes: ["inference"],
    allowedModels: null,
    allowedAdapters: null,
    allowedIps: null,
    graceUntilMs: null,
    expiresAtMs: null,
    revokedAtMs: null,
    ...change,
  };
}

/** A hold of 90 prompt tokens and one answer of 10, for a minute. */
export function holdOf(change: Partial<HoldInput> = {}): HoldInput {
  return {
    promptTokensMax: 90,
    outputTokensMax: 10,
    answerCount: 1,
    isRenewable: true,
    model: "tiny",
    leaseUntilMs: Date.now() + 60_000,
    ...change,
  };
}

export function admitInput(tenantId: string, change: Partial<AdmitInput> = {}): AdmitInput {
  return {
    requestId: "req_a",
    tenantId,
    keyId: "key_a",
    secretHash: "5e".repeat(32),
    scope: "inference",
    hold: holdOf(),
    ...change,
  };
}

/** A final record of 10 computed prompt tokens, 4 cached ones and 5 output tokens: 22,000 nano-USD. */
export function recordOf(
  tenantId: string,
  seq: number,
  change: Partial<UsageRecord> = {},
): UsageRecord {
  return {
    tenant_id: tenantId,
    seq,
    request_id: `req_${tenantId}_${seq}`,
    attempt: 1,
    project_id: "prj_a",
    key_id: "key_a",
    model: "tiny",
    price_version: "plan_a",
    final: true,
    finish_reason: "stop",
    prompt_tokens: 14,
    cached_tokens: 4,
    computed_prompt_tokens: 10,
    output_tokens: 5,
    received_at_ms: 1_000,
    queue_ms: 2,
    ttft_ms: 30,
    ended_at_ms: 1_000 + seq,
    ...change,
  };
}

export function accountOf(tenantId: string) {
  return env.TENANT_ACCOUNT.getByName(tenantId);
}

/** A configured account with one key. */
export async function makeAccount(tenantId: string, change: Partial<AccountConfig> = {}) {
  const account = accountOf(tenantId);
  await account.configure(configOf(tenantId, change));
  await account.putKey(keyOf());
  return account;
}

export function intake() {
  return env.USAGE_INTAKE.getByName("local");
}

/** A tenant's ledger entries, oldest first. */
export async function ledgerOf(tenantId: string): Promise<readonly LedgerRow[]> {
  const rows = await newestLedgerEntries(openLedgerDb(env.LEDGER_DB), tenantId, {
    entriesMax: 1_000,
  });
  return rows.toReversed();
}

/** Runs the alarms that wait, so that what is durable reaches the ledger now. */
export async function runAlarms(tenantIds: readonly string[]): Promise<void> {
  await runDurableObjectAlarm(intake());
  for (const tenantId of tenantIds) await runDurableObjectAlarm(accountOf(tenantId));
}

/** The account's own sums. */
export function spendOf(tenantId: string): Promise<{ entries: number; spent: number }> {
  return runInDurableObject(accountOf(tenantId), (_, { storage }) =>
    storage.sql
      .exec<{ entries: number; spent: number }>(
        "SELECT entries, spent_nano_usd AS spent FROM spend",
      )
      .one(),
  );
}

/** Packs of the tenant that wait at the intake. */
export function packsOf(tenantId: string): Promise<number> {
  return runInDurableObject(intake(), (_, { storage }) => {
    const counted = storage.sql.exec<{ packs: number }>(
      "SELECT count(*) AS packs FROM packs WHERE tenant_id = ?",
      tenantId,
    );
    return counted.one().packs;
  });
}
