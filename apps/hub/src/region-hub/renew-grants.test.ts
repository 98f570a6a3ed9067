// Grants of running requests through a real shard and a real account.
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";
import { accountOf, admitInput, configOf, holdOf, keyOf } from "../../test/usage.ts";

const OUTPUT_TOKENS_MAX = 2_000;

/** A tenant with a hard budget of so many output tokens beside a prompt of 10, and its admitted request. */
async function granted(outputTokens: number) {
  const tenantId = uniqueId("ten");
  const account = accountOf(tenantId);
  const budget = { scopeId: tenantId, window: "day", mode: "hard", alertPercents: [] } as const;
  const limitNanoUsd = 10_000 + outputTokens * 2_000;
  await account.configure(configOf(tenantId, { budgets: [{ ...budget, limitNanoUsd }] }));
  await account.putKey(keyOf());
  const requestId = uniqueId("req");
  const hold = holdOf({ promptTokensMax: 10, outputTokensMax: OUTPUT_TOKENS_MAX });
  const outcome = await account.admit(admitInput(tenantId, { requestId, hold }));
  expect(outcome).toMatchObject({ ok: true, grantTokens: 512 });
  const { leaseUntilMs, answerCount, model } = hold;
  const grant = {
    tokens: 512,
    outputTokensMax: OUTPUT_TOKENS_MAX,
    answerCount,
    model,
    leaseUntilMs,
  };
  const hub = freshHub();
  const node = await TestNode.link(hub, "node-a");
  const opened = openStream(hub, hubRequest({ requestId, tenantId, grant }));
  const { requests } = await node.next("submit");
  expect(requests).toMatchObject([{ id: requestId, grant_tokens: 512 }]);
  node.send({ type: "accept", id: requestId, model: "tiny", prompt_tokens: 10 });
  const stream = (await opened).text();
  return { node, requestId, stream, account };
}

describe("grants", () => {
  it("are renewed when an answer comes near to their end, as far as the budget goes", async () => {
    const { node, requestId, stream, account } = await granted(1_024);
    node.step(requestId, { from: 0, text: "a", n: 255 });
    node.step(requestId, { from: 255, text: "b" });
    const { grants } = await node.next("grant");
    expect(grants).toEqual([{ id: requestId, output_tokens: 1_024 }]);
    node.step(requestId, { from: 256, text: "c", n: 700 });
    // Refused: nothing is told, and what was granted stands.
    await expect
      .poll(async () => (await account.funds()).budgets[0]?.heldNanoUsd)
      .toBe(10_000 + 1_024 * 2_000);
    expect(node.waiting("grant")).toEqual([]);
    node.done(requestId, 956);
    expect(await stream).toContain("[DONE]");
  });

  it("are asked for again after a refusal, and come when others have ended", async () => {
    const { node, requestId, stream, account } = await granted(600);
    node.step(requestId, { from: 0, text: "a", n: 400 });
    const { config } = { config: (await account.funds()).budgets[0] };
    expect(config?.heldNanoUsd).toBe(10_000 + 512 * 2_000);
    const { scopeId = "" } = config ?? {};
    const budget = { scopeId, window: "day", mode: "hard", alertPercents: [] } as const;
    const budgets = [{ ...budget, limitNanoUsd: 100_000_000 }];
    await account.configure(configOf(scopeId, { budgets }));
    expect((await node.next("grant")).grants).toEqual([{ id: requestId, output_tokens: 1_024 }]);
    node.step(requestId, { from: 400, text: "b", n: 600 });
    expect((await node.next("grant")).grants).toEqual([{ id: requestId, output_tokens: 1_536 }]);
    node.step(requestId, { from: 1_000, text: "b", n: 500 });
    // Never more than the request may have at all.
    expect((await node.next("grant")).grants).toEqual([{ id: requestId, output_tokens: 2_000 }]);
    node.done(requestId, 1_500);
    expect(await stream).toContain("[DONE]");
  });
});
