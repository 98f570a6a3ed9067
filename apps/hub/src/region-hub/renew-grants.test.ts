// Grants of running requests through a real shard and a real account.
import { HUB_ATTACH_URL } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";
import { formText } from "./answer-form.ts";
import { GRANT_RETRY_MS } from "../limits.ts";
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
  const node = await TestNode.link(hub, "node-a", { resumes: true });
  const request = hubRequest({ requestId, tenantId, grant });
  const opened = openStream(hub, request);
  const { requests } = await node.next("submit");
  expect(requests).toMatchObject([{ id: requestId, grant_tokens: 512, grant_may_grow: true }]);
  node.send({ type: "accept", id: requestId, model: "tiny", prompt_tokens: 10 });
  const stream = (await opened).text();
  return { hub, node, request, requestId, stream, account };
}

describe("grants", () => {
  it("are renewed when an answer comes near to their end, as far as the budget goes", async () => {
    const { node, requestId, stream, account } = await granted(1_024);
    node.step(requestId, { from: 0, text: "a", n: 255 });
    node.step(requestId, { from: 255, text: "b" });
    const { grants } = await node.next("grant");
    expect(grants).toEqual([{ id: requestId, output_tokens: 1_024, may_grow: true }]);
    node.step(requestId, { from: 256, text: "c", n: 700 });
    // Refused: the node is told so, once, and what was granted stands.
    const refused = await node.next("grant");
    expect(refused.grants).toEqual([{ id: requestId, output_tokens: 1_024 }]);
    expect((await account.funds()).budgets[0]?.heldNanoUsd).toBe(10_000 + 1_024 * 2_000);
    await scheduler.wait(2 * GRANT_RETRY_MS);
    expect(node.waiting("grant")).toEqual([]);
    node.done(requestId, 956);
    expect(await stream).toContain("[DONE]");
  });

  it("are asked for again after a refusal, and come when others have ended", async () => {
    const { node, requestId, stream, account } = await granted(600);
    node.step(requestId, { from: 0, text: "a", n: 400 });
    expect((await node.next("grant")).grants).toEqual([{ id: requestId, output_tokens: 512 }]);
    const { config } = { config: (await account.funds()).budgets[0] };
    expect(config?.heldNanoUsd).toBe(10_000 + 512 * 2_000);
    const { scopeId = "" } = config ?? {};
    const budget = { scopeId, window: "day", mode: "hard", alertPercents: [] } as const;
    const budgets = [{ ...budget, limitNanoUsd: 100_000_000 }];
    await account.configure(configOf(scopeId, { budgets }));
    const granted1 = { id: requestId, output_tokens: 1_024, may_grow: true };
    expect((await node.next("grant")).grants).toEqual([granted1]);
    node.step(requestId, { from: 400, text: "b", n: 600 });
    const granted2 = { id: requestId, output_tokens: 1_536, may_grow: true };
    expect((await node.next("grant")).grants).toEqual([granted2]);
    node.step(requestId, { from: 1_000, text: "b", n: 500 });
    // Never more than the request may have at all.
    expect((await node.next("grant")).grants).toEqual([{ id: requestId, output_tokens: 2_000 }]);
    node.done(requestId, 1_500);
    expect(await stream).toContain("[DONE]");
  });

  it("are told again on a new link, since the old one may have lost them", async () => {
    const { hub, node: old, requestId, stream } = await granted(1_024);
    old.step(requestId, { from: 0, text: "a", n: 256 });
    await old.next("grant");
    const node = await TestNode.link(hub, "node-a", { resumes: true });
    expect((await node.next("resume")).requests).toEqual([{ id: requestId, from: 256 }]);
    const { grants } = await node.next("grant");
    expect(grants).toEqual([{ id: requestId, output_tokens: 1_024, may_grow: true }]);
    node.done(requestId, 256);
    expect(await stream).toContain("[DONE]");
  });

  it("go on in a hub that knows nothing of the request, from where its node is", async () => {
    const { request, requestId, account } = await granted(2_000);
    const { tenantId } = request;
    // As another hub has heard, whose memory is gone.
    const ask = {
      requestId,
      attempt: 1,
      projectId: "prj_a",
      keyId: "key_a",
      priceVersion: "plan_a",
    };
    const more = { model: "tiny", promptTokens: 10, answerCount: 1, leaseUntilMs: 1 };
    const bounds = { grantTokens: 512, outputTokensMax: OUTPUT_TOKENS_MAX };
    const heard = [{ requestId, grantTokens: 1_024 }];
    expect(await account.renewGrants([{ ...ask, ...more, ...bounds }])).toEqual(heard);
    // An answer that was lost is given again, and one that the node has heard is not taken back.
    expect(await account.renewGrants([{ ...ask, ...more, ...bounds }])).toEqual(heard);
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a", { resumes: true });
    const back = {
      tenantId,
      keyId: "key_other",
      lastTokenIndex: 0,
      deadlineMs: Date.now() + 60_000,
    };
    const body = JSON.stringify({ requestId, ...back });
    const answer = hub.fetch(HUB_ATTACH_URL, { method: "POST", body });
    await node.next("attach");
    const facts = { model: "tiny", prompt_tokens: 10, form: formText(request, 1) };
    node.send({ type: "attached", id: requestId, ...facts, grant_tokens: 1_024 });
    node.step(requestId, { from: 0, text: "a", n: 1_024 });
    const { grants } = await node.next("grant");
    expect(grants).toEqual([{ id: requestId, output_tokens: 1_536, may_grow: true }]);
    node.step(requestId, { from: 1_024, text: "b", n: 512 });
    expect((await node.next("grant")).grants).toEqual([{ id: requestId, output_tokens: 2_000 }]);
    node.done(requestId, 1_536);
    expect(await (await answer).text()).toContain("[DONE]");
    expect((await account.funds()).budgets[0]?.heldNanoUsd).toBe(10_000 + 2_000 * 2_000);
  });
});
