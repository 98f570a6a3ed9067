import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { PoolingMode, RequestProgress } from "../engine/worker-messages.ts";
import { Scheduler } from "./scheduler.ts";
import { StepCycle } from "./step.ts";
import { engineRequest } from "./testing/engine-request.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

/** A scheduler over the check engine with pages of four tokens, stepped by hand. */
function setUp(stepBudgetTokens: number) {
  const engine = new PagedCheckEngine({ stepBudgetTokens });
  const scheduler = new Scheduler({
    info: engine.info,
    clock: { nowMs: () => 0 },
    stepBudgetTokens,
    prefixCache: {
      model: { modelDigest: "model", ropeConfig: "rope" },
      sha256: (bytes) => hash("sha256", bytes, "base64"),
    },
  });
  const steps = new StepCycle(scheduler, engine);
  const submit = (requestId: string, pooling: PoolingMode, promptLength: number) =>
    scheduler.submit(
      engineRequest(requestId, { promptLength, maxOutputTokens: 0, pooling, tenantSalt: "t" }),
    );
  const run = (): RequestProgress[] => {
    const all: RequestProgress[] = [];
    while (steps.start()) all.push(...steps.settle(engine.takeResult()));
    scheduler.checkIntegrity();
    return all;
  };
  return { engine, scheduler, submit, run };
}

function say(progress: readonly RequestProgress[]): string[] {
  return progress.map(({ requestId, counts, end, embedding }) => {
    const { cachedTokens, computedPromptTokens, outputTokens } = counts;
    const has = embedding === undefined ? "" : ` ${embedding.length} numbers`;
    return `${requestId} ${cachedTokens}+${computedPromptTokens}/${outputTokens}${has} ${end?.reason ?? ""}`;
  });
}

describe("a request for an embedding", () => {
  it("ends with its prompt, samples nothing and leaves nothing behind", () => {
    const { engine, scheduler, submit, run } = setUp(6);
    expect(submit("a", "mean", 10)).toBeNull();
    expect(say(run())).toEqual(["a 0+6/0 ", "a 0+10/0 8 numbers stop"]);
    expect([engine.hostTokensComputed, engine.tokensSampled]).toEqual([10, 0]);
    expect(scheduler.load).toMatchObject({ running: 0, pagesFree: 64 });
  });

  it("is the same whatever shares the step, and takes cached blocks for the last position only", () => {
    const { submit, run } = setUp(64);
    submit("mean", "mean", 10);
    submit("last", "last", 10);
    const [mean, last] = run();
    submit("mean again", "mean", 10);
    submit("last again", "last", 10);
    const again = run();
    expect(say(again)).toEqual([
      "mean again 0+10/0 8 numbers stop",
      "last again 8+2/0 8 numbers stop",
    ]);
    expect(again.map(({ embedding }) => embedding)).toEqual([mean?.embedding, last?.embedding]);
    expect(mean?.embedding).not.toEqual(last?.embedding);
  });

  it("is refused with an output maximum that is not one", () => {
    const { scheduler } = setUp(6);
    const plain = engineRequest("a", { maxOutputTokens: 0 });
    expect(scheduler.submit(plain)).toMatchObject({ param: "max_completion_tokens" });
  });
});
