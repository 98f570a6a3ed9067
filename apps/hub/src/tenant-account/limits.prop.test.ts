// The limits of a real account under any schedule of concurrent admissions, settlements, releases and restarts of the
// object: never more runs, and never more is taken in a minute, than they allow.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import { accountOf, admitInput, holdOf, makeAccount, recordOf } from "../../test/usage.ts";
import type { ScopeCover } from "./limit-scope.ts";

const PARALLEL = 4;
const REQUESTS_PER_MINUTE = 20;
const TOKENS_PER_MINUTE = 1_000;
const OUTPUT_TOKENS = 10;

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("admit" as const), sizes: sizes() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("settle" as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("release" as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);

function sizes() {
  return fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 6 });
}

/** What the account was seen to do. */
class Model {
  readonly tenantId = uniqueId("ten");
  readonly startedMs = Date.now();
  readonly running = new Map<string, { readonly tokens: number; readonly isOrphan: boolean }>();
  tokensTaken = 0;
  requests = 0;
  #lastNumber = 0;
  #lastSeq = 0;

  async admit(promptSizes: readonly number[]): Promise<void> {
    const account = accountOf(this.tenantId);
    const asked = promptSizes.map(async (promptTokensMax) => {
      this.#lastNumber += 1;
      const requestId = `req_${this.tenantId}_${this.#lastNumber}`;
      const hold = holdOf({ promptTokensMax, outputTokensMax: OUTPUT_TOKENS });
      const outcome = await account.admit(admitInput(this.tenantId, { requestId, hold }));
      if (!outcome.ok) return;
      this.requests += 1;
      this.tokensTaken += promptTokensMax + OUTPUT_TOKENS;
      this.running.set(requestId, { tokens: promptTokensMax + OUTPUT_TOKENS, isOrphan: false });
    });
    await Promise.all(asked);
  }

  /** Settles with 19 tokens used. */
  async settle(requestId: string): Promise<void> {
    this.#lastSeq += 1;
    const records = [recordOf(this.tenantId, this.#lastSeq, { request_id: requestId })];
    await accountOf(this.tenantId).settleMany({ nodeId: "node-a", epoch: 1, records });
    const held = this.running.get(requestId);
    // What was taken before a restart stays taken.
    if (held && !held.isOrphan) this.tokensTaken += 19 - held.tokens;
    this.running.delete(requestId);
  }

  async release(requestId: string): Promise<void> {
    const held = this.running.get(requestId);
    if (!held || held.isOrphan) return;
    await accountOf(this.tenantId).release(requestId);
    this.tokensTaken -= held.tokens;
    this.running.delete(requestId);
  }

  async restart(): Promise<void> {
    // Only an object that runs can be evicted.
    await accountOf(this.tenantId).release("req_unknown");
    await evictDurableObject(accountOf(this.tenantId));
    for (const [requestId, held] of this.running) {
      this.running.set(requestId, { ...held, isOrphan: true });
    }
  }

  check(): void {
    const minutes = 1 + (Date.now() - this.startedMs) / 60_000;
    expect(this.running.size).toBeLessThanOrEqual(PARALLEL);
    expect(this.requests).toBeLessThanOrEqual(REQUESTS_PER_MINUTE * minutes);
    expect(this.tokensTaken).toBeLessThanOrEqual(TOKENS_PER_MINUTE * minutes);
  }
}

describe("limits of an account", () => {
  it(
    "are never passed by concurrent admissions, a restart included",
    { timeout: 60_000 },
    async () => {
      let restarts = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
          const model = new Model();
          await makeAccount(model.tenantId, {
            parallelRequests: PARALLEL,
            requestsPerMinute: REQUESTS_PER_MINUTE,
            tokensPerMinute: TOKENS_PER_MINUTE,
          });
          for (const one of steps) {
            const ids = [...model.running.keys()];
            if (one.kind === "admit") await model.admit(one.sizes);
            else if (one.kind === "restart") await model.restart();
            else {
              const requestId = ids[one.which % Math.max(1, ids.length)];
              if (requestId !== undefined) await model[one.kind](requestId);
            }
            model.check();
          }
          restarts += steps.filter(({ kind }) => kind === "restart").length;
        }),
        { numRuns: 25 },
      );
      expect(restarts).toBeGreaterThan(0);
    },
  );

  it("count the whole cover as taken after a restart, until its leases end or it is settled", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId, { parallelRequests: 8 });
    const admit = (requestId: string) =>
      accountOf(tenantId).admit(admitInput(tenantId, { requestId }));
    for (const requestId of ["req_1", "req_2"]) expect((await admit(requestId)).ok).toBe(true);
    await evictDurableObject(accountOf(tenantId));
    // Two ran, eight are covered.
    expect(await admit("req_3")).toMatchObject({
      ok: false,
      error: { code: "too_many_parallel_requests" },
    });
    const records = [recordOf(tenantId, 1, { request_id: "req_1" })];
    await accountOf(tenantId).settleMany({ nodeId: "node-a", epoch: 1, records });
    expect((await admit("req_3")).ok).toBe(true);
    expect((await admit("req_4")).ok).toBe(false);
  });

  it("do not count twice as much with each of many restarts", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId, { parallelRequests: 200 });
    for (let restart = 0; restart < 8; restart++) {
      const input = admitInput(tenantId, { requestId: `req_${restart}` });
      expect((await accountOf(tenantId).admit(input)).ok).toBe(true);
      await evictDurableObject(accountOf(tenantId));
    }
  });

  it("are free again after a restart when nothing had run for a while", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId, { parallelRequests: 8 });
    await account.admit(admitInput(tenantId, { requestId: "req_1" }));
    await account.release("req_1");
    // Too early: the next request is about to come.
    await runDurableObjectAlarm(account);
    const covered = () =>
      runInDurableObject(accountOf(tenantId), (_, { storage }) => {
        const rows = storage.sql.exec<{ cover: string }>("SELECT cover FROM limit_covers");
        const [cover] = rows.toArray().map((row) => JSON.parse(row.cover) as ScopeCover);
        return cover?.heldRequests;
      });
    expect(await covered()).toBe(8);
    vi.useFakeTimers({ now: Date.now() + 6_000, toFake: ["Date"] });
    try {
      await runDurableObjectAlarm(account);
    } finally {
      vi.useRealTimers();
    }
    expect(await covered()).toBe(0);
    await evictDurableObject(account);
    for (let index = 0; index < 8; index++) {
      const outcome = await accountOf(tenantId).admit(
        admitInput(tenantId, { requestId: `req_again_${index}` }),
      );
      expect(outcome.ok).toBe(true);
    }
  });

  it("start from the level that they had, at most an eighth of a minute lower", async () => {
    const tenantId = uniqueId("ten");
    await makeAccount(tenantId, { requestsPerMinute: 800 });
    for (let index = 0; index < 5; index++) {
      const input = admitInput(tenantId, { requestId: `req_${index}`, hold: null });
      await accountOf(tenantId).admit(input);
    }
    await evictDurableObject(accountOf(tenantId));
    const next = await accountOf(tenantId).admit(admitInput(tenantId, { hold: null }));
    expect(next.rates?.remainingRequests).toBeLessThan(800 - 5);
    expect(next.rates?.remainingRequests).toBeGreaterThanOrEqual(800 - 6 - 100);
  });
});
