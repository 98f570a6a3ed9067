// One tenant's account: the only writer of its keys, limits, holds and money. Wires admission, settlement and the
// ledger outbox to storage and alarm. Invariant: an admission writes only covers of limits; while the outbox has entries an
// alarm is set or running; no call rejects for an operating error.
import { DurableObject } from "cloudflare:workers";
import { macFields, toHex } from "@fairlane/base";
import { appendLedgerEntries, openLedgerDb, retainedKeyOf } from "@fairlane/db";
import type { LedgerEntry } from "@fairlane/ledger";
import type {
  AccountConfig,
  AccountKey,
  AdmitInput,
  AdmitOutcome,
  AuthorizeInput,
  AuthorizeOutcome,
  KeyManager,
  KeyOutcome,
  KeyRotation,
  KeyTerms,
  KeyUse,
  SettleBatch,
  TenantAccountRpc,
} from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";
import { LEDGER_TIMEOUT_MS, OUTBOX_DELAY_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { retryPauseMs, withTimeout } from "../retry.ts";
import { systemClock } from "../system-clock.ts";
import { Watermarks } from "../watermarks.ts";
import { ConfigStore } from "./account-config.ts";
import { AccountLimits } from "./account-limits.ts";
import { admit, refusal, type Account } from "./admit.ts";
import { AttemptMemory } from "./attempts.ts";
import { authorize } from "./authorize.ts";
import { CoverStore } from "./cover-store.ts";
import { cancelWork } from "./cancel-work.ts";
import { KeyRing } from "./keys.ts";
import { KeyUses } from "./key-uses.ts";
import type { BucketUnits } from "./limit-scope.ts";
import { Outbox } from "./outbox.ts";
import { settle, type Books } from "./settle.ts";
import { SpendStore } from "./spend.ts";

const SALT_DOMAIN = "fairlane-tenant-salt-v1";

export class TenantAccount extends DurableObject<HubEnv> implements TenantAccountRpc {
  readonly #books: Books;
  readonly #keys: KeyRing;
  readonly #covers: CoverStore;
  readonly #bootMs: number;
  readonly #keyUses: KeyUses;
  #limits: AccountLimits | undefined;
  #derived: { readonly tenantSalt: string; readonly retainedKey: string } | undefined;
  #hasAlarm = false;
  #failureCount = 0;

  constructor(ctx: DurableObjectState, env: HubEnv) {
    super(ctx, env);
    const { storage } = ctx;
    this.#books = {
      storage,
      configs: new ConfigStore(storage),
      watermarks: new Watermarks(storage.sql),
      attempts: new AttemptMemory(storage.sql),
      spend: new SpendStore(storage.sql),
      outbox: new Outbox(storage.sql),
    };
    this.#keys = new KeyRing(storage);
    this.#keyUses = new KeyUses(storage.sql, (keyId) => this.#keys.has(keyId));
    const { config } = this.#books.configs;
    this.#covers = new CoverStore(storage.sql);
    this.#bootMs = systemClock.nowMs();
    if (config) this.#limits = new AccountLimits(config, this.#covers, this.#bootMs);
    this.#armAlarm(0);
  }

  async configure(config: AccountConfig): Promise<void> {
    const nowMs = systemClock.nowMs();
    // The limits check the numbers, so a wrong configuration is not written.
    if (this.#limits) this.#limits.configure(config, nowMs);
    else this.#limits = new AccountLimits(config, this.#covers, nowMs);
    this.#books.configs.write(config);
    if (!config.active) await this.#cancelWork(null);
  }

  async putKey(key: AccountKey): Promise<boolean> {
    return this.#keys.put(key, systemClock.nowMs());
  }

  async changeKey(
    keyId: string,
    change: Partial<KeyTerms>,
    manager: KeyManager | null = null,
  ): Promise<KeyOutcome> {
    return this.#keys.change(keyId, change, manager);
  }

  async rotateKey(rotation: KeyRotation, manager: KeyManager | null = null): Promise<KeyOutcome> {
    const nowMs = systemClock.nowMs();
    const outcome = this.#keys.rotate(rotation, manager, nowMs);
    if (outcome.ok && rotation.graceUntilMs <= nowMs) await this.#cancelWork(rotation.keyId);
    return outcome;
  }

  async revokeKey(keyId: string, manager: KeyManager | null = null): Promise<boolean> {
    const isKnown = this.#keys.revoke(keyId, manager, systemClock.nowMs());
    if (isKnown) await this.#cancelWork(keyId);
    return isKnown;
  }

  async keyUses(): Promise<readonly KeyUse[]> {
    return this.#keyUses.list();
  }

  async admit(input: AdmitInput): Promise<AdmitOutcome> {
    const outcome = await this.#decide(input, (account, nowMs) => admit(account, input, nowMs));
    if (outcome.ok) this.#keyUses.note(input.keyId, systemClock.nowMs());
    return outcome;
  }

  async authorize(input: AuthorizeInput): Promise<AuthorizeOutcome> {
    const outcome = await this.#decide(input, (account, nowMs) => authorize(account, input, nowMs));
    if (outcome.ok) this.#keyUses.note(input.keyId, systemClock.nowMs());
    return outcome;
  }

  async #decide<Outcome>(
    input: { readonly requestId: string },
    decide: (account: Account, nowMs: number) => Outcome,
  ): Promise<Outcome | Extract<AdmitOutcome, { readonly ok: false }>> {
    try {
      const { config } = this.#books.configs;
      const limits = this.#limits;
      if (!config || !limits) return refusal("invalid_api_key", "The API key is not valid.");
      // Of the account's own tenant, not of whom the caller claims to be.
      this.#derived ??= await this.#derivedOf(config.tenantId);
      const account = { config, keys: this.#keys, limits, ...this.#derived };
      return decide(account, systemClock.nowMs());
    } catch (error) {
      logEvent("error", "admission_failed", {
        requestId: input.requestId,
        reason: reasonOf(error),
      });
      return refusal("internal_error", "The account failed to decide.");
    }
  }

  /** @param keyId null ends all of the tenant's work */
  async #cancelWork(keyId: string | null): Promise<void> {
    const tenantId = this.#books.configs.config?.tenantId;
    if (tenantId !== undefined) await cancelWork(this.env, { tenantId, keyId });
  }

  async release(requestId: string): Promise<void> {
    this.#limits?.release(requestId, systemClock.nowMs());
  }

  async settleMany(batch: SettleBatch): Promise<{ readonly watermark: number }> {
    const [first] = batch.records;
    if (!first) return { watermark: 0 };
    const tenantId = first.tenant_id;
    const { nodeId, epoch } = batch;
    try {
      const { watermark, entries } = settle(this.#books, tenantId, batch);
      const nowMs = systemClock.nowMs();
      for (const entry of entries) {
        this.#limits?.settle(this.#usedBy(entry), nowMs);
      }
      this.#armAlarm(OUTBOX_DELAY_MS);
      return { watermark };
    } catch (error) {
      logEvent("error", "settlement_failed", { tenantId, nodeId, epoch, reason: reasonOf(error) });
      return { watermark: this.#books.watermarks.read({ tenantId, nodeId, epoch }) };
    }
  }

  /** Writes the outbox to the ledger. Never throws: the platform gives up on alarms that fail again and again. */
  override async alarm(): Promise<void> {
    this.#hasAlarm = false;
    const ledger = openLedgerDb(this.env.LEDGER_DB);
    try {
      await this.#books.outbox.flush((entries) =>
        withTimeout(appendLedgerEntries(ledger, entries), LEDGER_TIMEOUT_MS),
      );
      this.#failureCount = 0;
      this.#keyUses.write();
    } catch (error) {
      this.#failureCount += 1;
      const failureCount = this.#failureCount;
      logEvent("warn", "ledger_write_failed", { failureCount, reason: reasonOf(error) });
    }
    this.#armAlarm(this.#failureCount === 0 ? 0 : retryPauseMs(this.#failureCount));
  }

  /** Sets the alarm when entries wait and none is set. */
  #armAlarm(pauseMs: number): void {
    if (this.#books.outbox.isEmpty || this.#hasAlarm) return;
    this.#hasAlarm = true;
    void this.ctx.storage.setAlarm(systemClock.nowMs() + pauseMs);
  }

  #usedBy(entry: LedgerEntry) {
    const { requestId, projectId, keyId } = entry;
    return {
      requestId,
      caller: { projectId, keyId },
      units: unitsUsed(entry),
      mayBeOrphan: entry.attempt === 1 && entry.receivedAtMs <= this.#bootMs,
    };
  }

  async #derivedOf(tenantId: string) {
    const { saltSecret } = hubConfig(this.env);
    return {
      tenantSalt: toHex(await macFields(saltSecret, SALT_DOMAIN, [tenantId])),
      retainedKey: await retainedKeyOf(saltSecret, tenantId),
    };
  }
}

/** What a request took of the tenant's tokens per minute; what was computed twice counts once. */
function unitsUsed(entry: LedgerEntry): BucketUnits {
  const positions = entry.computedPromptTokens + entry.computedCachedTokens;
  const inputTokens = Math.min(entry.promptTokens, positions);
  const outputTokens = entry.computedOutputTokens;
  return { requests: 1, tokens: inputTokens + outputTokens, inputTokens, outputTokens };
}
