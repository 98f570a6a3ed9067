// Hard budgets and prepaid credit of a real account under any schedule of concurrent admissions, renewals of grants,
// settlements, releases, new configurations and restarts of the object: spent + held never passes a limit.
import { evictDurableObject } from "cloudflare:test";
import type { AccountConfig, FundsState } from "@fairlane/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import { accountOf, admitInput, configOf, holdOf, keyOf, recordOf } from "../../test/usage.ts";

// A prompt token costs 1,000 nano-USD at most, one of output 2,000.
const LIMIT_NANO_USD = 4_000_000;
const CREDIT_NANO_USD = 5_000_000;
const OUTPUT_TOKENS_MAX = 2_000;

interface Running {
  readonly promptTokensMax: number;
  grantTokens: number;
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("admit" as const),
      prompts: fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("renew" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      which: fc.nat(9),
      percent: fc.integer({ min: 0, max: 100 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("release" as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Model {
  readonly tenantId = uniqueId("ten");
  readonly running = new Map<string, Running>();
  readonly billed = { nanoUsd: 0 };
  readonly #config: AccountConfig;
  #lastNumber = 0;
  #lastSeq = 0;

  constructor(prepaid: boolean) {
    const budget = { window: "day", mode: "hard", alertPercents: [] } as const;
    this.#config = configOf(this.tenantId, {
      prepaid,
      tokensPerMinute: 10_000_000,
      parallelRequests: 1_000,
      budgets: [
        { ...budget, scopeId: this.tenantId, limitNanoUsd: 2 * LIMIT_NANO_USD },
        { ...budget, scopeId: "prj_a", window: "month", limitNanoUsd: LIMIT_NANO_USD },
      ],
    });
  }

  /** A new account with its credit. */
  async open(): Promise<void> {
    await this.#account.configure(this.#config);
    await this.#account.putKey(keyOf());
    const credit = { grantId: "c1", grantedNanoUsd: CREDIT_NANO_USD, expiresAtMs: null };
    expect(await this.#account.grantCredit(credit)).toBe("granted");
  }

  get #account() {
    return accountOf(this.tenantId);
  }

  async apply(one: Step): Promise<void> {
    const ids = [...this.running.keys()];
    if (one.kind === "admit") return this.#admit(one.prompts);
    if (one.kind === "renew") return this.#renew();
    if (one.kind === "reset") return this.#account.configure(this.#config);
    if (one.kind === "restart") {
      await this.#account.release("req_unknown");
      return evictDurableObject(this.#account);
    }
    const requestId = ids[one.which % Math.max(1, ids.length)];
    if (requestId === undefined) return;
    if (one.kind === "settle") return this.#settle(requestId, one.percent);
    await this.#account.release(requestId);
    this.running.delete(requestId);
  }

  async #admit(prompts: readonly number[]): Promise<void> {
    const asked = prompts.map(async (promptTokensMax) => {
      this.#lastNumber += 1;
      const requestId = `req_${this.tenantId}_${this.#lastNumber}`;
      const hold = holdOf({ promptTokensMax, outputTokensMax: OUTPUT_TOKENS_MAX });
      const outcome = await this.#account.admit(admitInput(this.tenantId, { requestId, hold }));
      if (!outcome.ok) return;
      expect(outcome.grantTokens).toBe(512);
      this.running.set(requestId, { promptTokensMax, grantTokens: 512 });
    });
    await Promise.all(asked);
  }

  async #renew(): Promise<void> {
    const asks = [...this.running].map(([requestId, { promptTokensMax, grantTokens }]) => ({
      requestId,
      attempt: 1,
      projectId: "prj_a",
      keyId: "key_a",
      priceVersion: "plan_a",
      model: "tiny",
      promptTokens: promptTokensMax,
      answerCount: 1,
      grantTokens,
      outputTokensMax: OUTPUT_TOKENS_MAX,
      leaseUntilMs: Date.now() + 60_000,
    }));
    for (const renewed of await this.#account.renewGrants(asks)) {
      const running = this.running.get(renewed.requestId);
      if (!running) throw new Error("a grant of nothing");
      expect(renewed.grantTokens).toBeGreaterThanOrEqual(running.grantTokens);
      expect(renewed.grantTokens).toBeLessThanOrEqual(OUTPUT_TOKENS_MAX);
      running.grantTokens = renewed.grantTokens;
    }
  }

  /** The request ends with this part of what it was granted. */
  async #settle(requestId: string, percent: number): Promise<void> {
    const running = this.running.get(requestId);
    if (!running) return;
    this.#lastSeq += 1;
    const record = recordOf(this.tenantId, this.#lastSeq, {
      request_id: requestId,
      prompt_tokens: running.promptTokensMax,
      cached_tokens: 0,
      computed_prompt_tokens: running.promptTokensMax,
      output_tokens: Math.floor((running.grantTokens * percent) / 100),
    });
    await this.#account.settleMany({ nodeId: "node-a", epoch: 1, records: [record] });
    this.billed.nanoUsd += running.promptTokensMax * 1_000 + record.output_tokens * 2_000;
    this.running.delete(requestId);
  }

  async check(): Promise<FundsState> {
    const funds = await this.#account.funds();
    expect(funds.spentNanoUsd).toBe(this.billed.nanoUsd);
    for (const { spentNanoUsd, heldNanoUsd, limitNanoUsd } of funds.budgets) {
      expect(spentNanoUsd + heldNanoUsd).toBeLessThanOrEqual(limitNanoUsd);
    }
    if (funds.prepaid) expect(funds.heldNanoUsd).toBeLessThanOrEqual(funds.creditNanoUsd);
    expect(funds.owedNanoUsd).toBe(
      funds.prepaid ? 0 : Math.max(0, funds.spentNanoUsd - CREDIT_NANO_USD),
    );
    return funds;
  }
}

describe("hard budgets and credit", () => {
  it(
    "are never passed, whatever runs at the same time and restarts",
    { timeout: 120_000 },
    async () => {
      const steps = fc.array(step, { minLength: 5, maxLength: 16 });
      await fc.assert(
        fc.asyncProperty(steps, fc.boolean(), async (schedule, prepaid) => {
          const model = new Model(prepaid);
          await model.open();
          for (const one of schedule) {
            await model.apply(one);
            await model.check();
          }
        }),
        { numRuns: 12 },
      );
    },
  );
});
