// One tenant's account: the only writer of its keys, limits, holds and money. Wires admission, settlement and the
// outboxes to storage and alarm. Invariant: an admission writes only covers of limits; while an outbox has anything an
// alarm is set or running; no call rejects for an operating error.
import { DurableObject } from "cloudflare:workers";
import { appendLedgerEntries, openLedgerDb } from "@fairlane/db";
import type {
  AccountConfig,
  AccountKey,
  AccountMembersRpc,
  AdmitInput,
  AdmitOutcome,
  AuthorizeInput,
  AuthorizeOutcome,
  KeyManager,
  KeyOutcome,
  KeyRotation,
  KeyTerms,
  SettleBatch,
  TenantAccountRpc,
} from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";
import * as bounds from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";
import { systemClock } from "../system-clock.ts";
import { AccountLimits } from "./account-limits.ts";
import { admit, refusal, type Account } from "./admit.ts";
import { authorize } from "./authorize.ts";
import { CoverStore } from "./cover-store.ts";
import { cancelWork } from "./cancel-work.ts";
import { Deliveries } from "./deliveries.ts";
import { deriveSecrets } from "./derive-secrets.ts";
import { Erasure } from "./erasure.ts";
import { Funds } from "./funds.ts";
import { booksState, fundsState } from "./funds-state.ts";
import { renewGrants } from "./grant.ts";
import { IdempotencyKeys } from "./idempotency.ts";
import { KeyRing } from "./keys.ts";
import { KeyUses } from "./key-uses.ts";
import { openBooks } from "./open-books.ts";
import { People } from "./people.ts";
import { RateBucket } from "./rate-bucket.ts";
import { sendWebhook, webhookSecret } from "./send-webhook.ts";
import { settle, type Books } from "./settle.ts";
import { usedBy } from "./used-by.ts";

export class TenantAccount extends DurableObject<HubEnv> implements TenantAccountRpc {
  readonly #books: Books;
  readonly #keys: KeyRing;
  readonly #covers: CoverStore;
  readonly #bootMs: number;
  readonly #keyUses: KeyUses;
  readonly #people: People;
  readonly #sessionRequests = new RateBucket(
    bounds.SESSION_REQUESTS_PER_MINUTE,
    systemClock.nowMs(),
  );
  #limits: AccountLimits | undefined;
  #derived: Awaited<ReturnType<typeof deriveSecrets>> | undefined;
  readonly #funds: Funds;
  readonly #idempotency: IdempotencyKeys;
  readonly #deliveries: Deliveries;
  readonly #erasure: Erasure;
  #alarmMs: number | undefined;

  constructor(ctx: DurableObjectState, env: HubEnv) {
    super(ctx, env);
    const { storage } = ctx;
    this.#books = openBooks(storage);
    this.#keys = new KeyRing(storage);
    this.#keyUses = new KeyUses(storage.sql, (keyId) => this.#keys.find(keyId) !== undefined);
    this.#people = new People(storage.sql, this.#keys);
    const { config } = this.#books.configs;
    this.#covers = new CoverStore(storage.sql);
    this.#idempotency = new IdempotencyKeys(storage.sql);
    this.#bootMs = systemClock.nowMs();
    this.#funds = new Funds(this.#books.spend, this.#books.credits);
    if (config) this.#limits = this.#newLimits(config, this.#bootMs);
    const ledger = openLedgerDb(env.LEDGER_DB);
    this.#deliveries = new Deliveries({
      outbox: this.#books.outbox,
      webhooks: this.#books.webhooks,
      append: (entries) =>
        withTimeout(appendLedgerEntries(ledger, entries), bounds.LEDGER_TIMEOUT_MS),
      send: (event) => this.#sendWebhook(event),
      clock: systemClock,
    });
    this.#erasure = new Erasure(ctx, env, this.#books);
    this.#armAlarm();
  }

  async configure(operators: AccountConfig): Promise<void> {
    const nowMs = systemClock.nowMs();
    const config = this.#books.configs.full(operators);
    // The limits check the numbers, so a wrong configuration is not written.
    if (this.#limits) this.#limits.configure(config, nowMs);
    else this.#limits = this.#newLimits(config, nowMs);
    this.#books.configs.write(operators);
    if (!config.active) await this.#cancelWork(null);
    if (config.webhookUrl === null) this.#books.webhooks.clear();
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

  async keyUses() {
    return this.#keyUses.list();
  }

  async admit(input: AdmitInput): Promise<AdmitOutcome> {
    const outcome = await this.#decide(input, (account, nowMs) => admit(account, input, nowMs));
    if (outcome.ok) this.#keyUses.note(input.keyId, systemClock.nowMs());
    return outcome;
  }

  async authorize(input: AuthorizeInput): Promise<AuthorizeOutcome> {
    const own = { people: this.#people, sessionRequests: this.#sessionRequests };
    const outcome = await this.#decide(input, (account, nowMs) =>
      authorize({ ...account, ...own }, input, nowMs),
    );
    const { actor } = outcome.ok ? outcome.caller : {};
    if (actor?.kind === "key") this.#keyUses.note(actor.id, systemClock.nowMs());
    return outcome;
  }

  async putMember(...args: Parameters<AccountMembersRpc["putMember"]>) {
    return this.#people.put(...args);
  }

  async removeMember(...args: Parameters<AccountMembersRpc["removeMember"]>) {
    return this.#people.remove(...args);
  }

  async addLogin(...args: Parameters<AccountMembersRpc["addLogin"]>) {
    return this.#people.addLogin(...args);
  }

  async openSession(...[opening]: Parameters<AccountMembersRpc["openSession"]>) {
    return this.#people.open(opening, systemClock.nowMs());
  }

  async closeSession(...args: Parameters<AccountMembersRpc["closeSession"]>) {
    return this.#people.close(...args);
  }

  async listSessions() {
    return this.#people.list(systemClock.nowMs());
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
      this.#derived ??= await deriveSecrets(hubConfig(this.env).saltSecret, config.tenantId);
      const parts = { keys: this.#keys, funds: this.#funds, idempotency: this.#idempotency };
      const account = { config, limits, ...parts, ...this.#derived };
      return decide(account, systemClock.nowMs());
    } catch (error) {
      logEvent("error", "admission_failed", {
        requestId: input.requestId,
        reason: reasonOf(error),
      });
      return refusal("internal_error", "The account failed to decide.");
    }
  }

  /** @param keyId null: all of the tenant's */
  async #cancelWork(keyId: string | null): Promise<void> {
    const tenantId = this.#books.configs.config?.tenantId;
    if (tenantId !== undefined) await cancelWork(this.env, { tenantId, keyId });
  }

  async release(requestId: string): Promise<void> {
    this.#limits?.release(requestId, systemClock.nowMs());
    this.#armAlarm();
  }

  async settleMany(batch: SettleBatch): Promise<{ readonly watermark: number }> {
    const [first] = batch.records;
    if (!first) return { watermark: 0 };
    const tenantId = first.tenant_id;
    const { nodeId, epoch } = batch;
    try {
      const nowMs = systemClock.nowMs();
      const { watermark, entries, repeated } = settle(this.#books, batch, nowMs);
      for (const entry of entries) this.#limits?.settle(usedBy(entry, this.#bootMs), nowMs);
      for (const attempt of repeated) this.#limits?.settleRepeated(attempt, nowMs);
      if (entries.length > 0) this.#deliveries.entriesAdded();
      this.#armAlarm();
      return { watermark };
    } catch (error) {
      logEvent("error", "settlement_failed", { tenantId, nodeId, epoch, reason: reasonOf(error) });
      return { watermark: this.#books.watermarks.read({ tenantId, nodeId, epoch }) };
    }
  }

  async finishIdempotent(...[ref]: Parameters<TenantAccountRpc["finishIdempotent"]>) {
    this.#idempotency.finish(ref);
  }

  async forgetIdempotent(...[ref]: Parameters<TenantAccountRpc["forgetIdempotent"]>) {
    this.#idempotency.forget(ref);
  }

  async awaitIdempotent(...[ref, waitMs]: Parameters<TenantAccountRpc["awaitIdempotent"]>) {
    return this.#idempotency.wait(ref, Math.min(waitMs, bounds.IDEMPOTENCY_WAIT_MS_MAX));
  }

  async renewGrants(...[asks]: Parameters<TenantAccountRpc["renewGrants"]>) {
    const books = { configs: this.#books.configs, limits: this.#limits, funds: this.#funds };
    return renewGrants(books, asks, systemClock.nowMs());
  }

  async changeOwnBudget(...[change]: Parameters<TenantAccountRpc["changeOwnBudget"]>) {
    const outcome = this.#books.configs.changeOwn(change);
    const { config } = this.#books.configs;
    if (config) this.#limits?.configure(config, systemClock.nowMs());
    return outcome;
  }

  async grantCredit(...[credit]: Parameters<TenantAccountRpc["grantCredit"]>) {
    const unused = { usedNanoUsd: 0, expiredNanoUsd: 0, grantedAtMs: systemClock.nowMs() };
    return this.#books.credits.grant({ ...credit, ...unused });
  }

  async funds() {
    const parts = { books: this.#books, limits: this.#limits, funds: this.#funds };
    return fundsState(parts, systemClock.nowMs());
  }

  async books(endedBeforeMs?: number) {
    return booksState(this.#books, this.env, endedBeforeMs);
  }

  async erase(...[step]: Parameters<TenantAccountRpc["erase"]>) {
    return this.#erasure.take(step, this.#limits?.holds.count ?? 0);
  }

  async webhookSecret(): Promise<string> {
    const tenantId = this.#books.configs.config?.tenantId ?? "";
    return webhookSecret(hubConfig(this.env).saltSecret, tenantId);
  }

  /** Empties the outboxes. Never throws: the platform gives up on alarms that fail again and again. */
  override async alarm(): Promise<void> {
    this.#alarmMs = undefined;
    this.#limits?.relax(systemClock.nowMs());
    this.#keyUses.write();
    await this.#deliveries.run();
    this.#armAlarm();
  }

  /** Sets the alarm for what is due next, unless it is set for then or earlier. */
  #armAlarm(): void {
    const due = [this.#deliveries.nextDueMs(), this.#limits?.relaxDueMs];
    const dueMs = Math.min(...due.map((one) => one ?? Number.POSITIVE_INFINITY));
    if (!Number.isFinite(dueMs) || (this.#alarmMs !== undefined && this.#alarmMs <= dueMs)) return;
    this.#alarmMs = dueMs;
    void this.ctx.storage.setAlarm(dueMs);
  }

  #newLimits(config: AccountConfig, nowMs: number): AccountLimits {
    return new AccountLimits(config, { covers: this.#covers, funds: this.#funds }, nowMs);
  }

  async #sendWebhook(event: { readonly id: string; readonly body: string }): Promise<void> {
    const { webhookUrl: url, tenantId } = this.#books.configs.config ?? {};
    const { saltSecret } = hubConfig(this.env);
    if (tenantId === undefined || typeof url !== "string") return;
    await sendWebhook({ url, saltSecret, tenantId }, { ...event, atMs: systemClock.nowMs() });
  }
}
