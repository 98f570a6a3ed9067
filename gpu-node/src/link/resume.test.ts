// Lost links: what goes on, what is sent again, and what ends because nobody asks for it.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHub } from "./testing/fake-hub.ts";
import { LinkedNode, submitted } from "./testing/linked-node.ts";

let stack: AsyncDisposableStack;

beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

const NINE = { max_tokens: 9 };

async function answering(ids: readonly string[], form?: string) {
  const hub = stack.use(new FakeHub({ hubBoot: "boot-1" }));
  const node = stack.use(new LinkedNode({ hubUrl: await hub.url() }));
  await hub.until(() => hub.of("heartbeat").length === 1, "a link");
  const terms = form === undefined ? {} : { form, grant_tokens: 9 };
  const requests = ids.map((id) => submitted(id, NINE, terms));
  hub.send(0, { type: "submit", requests });
  await hub.until(() => hub.of("accept").length === ids.length, "accepts");
  node.engine.step();
  await hub.until(() => hub.of("step").length === 1, "the first tokens");
  const loseLink = async (steps = 1) => {
    const helloCount = hub.of("hello").length;
    hub.socket(0).terminate();
    await hub.until(() => node.links.counts.open === 0, "the loss");
    // Computed while nobody listens.
    for (let step = 0; step < steps; step++) node.engine.step();
    await hub.until(() => hub.of("hello").length > helloCount, "the next hello");
  };
  /** Texts of all deltas of a request in frames after the first `skipped`. */
  const textOf = (id: string, skipped = 0) =>
    hub
      .of("step")
      .slice(skipped)
      .flatMap(({ deltas }) => deltas.filter((delta) => delta.id === id))
      .map(({ text }) => text)
      .join("");
  return { hub, node, loseLink, textOf };
}

describe("a link that was lost and is back", () => {
  it("goes on from where the hub is, and cancels what the hub does not want any more", async () => {
    const { hub, node, loseLink, textOf } = await answering(["r1", "r2"]);
    await loseLink();
    hub.send(0, { type: "resume", requests: [{ id: "r1", from: 1 }] });
    await hub.until(() => hub.of("step").length === 2, "what was missed");
    expect(hub.of("step")[1]?.deltas).toEqual([{ id: "r1", from: 1, n: 1, text: "b" }]);
    expect(node.engine.cancelled).toEqual(["r2"]);
    node.engine.step();
    await hub.until(() => hub.of("step").length === 3, "the next step");
    expect(textOf("r1")).toBe("abc");
    expect(hub.of("accept")).toHaveLength(2);
  });

  it("sends the end again of what ended meanwhile, and says no to what it does not have", async () => {
    const { hub, node, loseLink } = await answering(["r1"]);
    await loseLink(8);
    expect(node.engine.liveCount).toBe(0);
    hub.send(0, {
      type: "resume",
      requests: [
        { id: "r1", from: 7 },
        { id: "ghost", from: 0 },
      ],
    });
    await hub.until(() => hub.of("refuse").length === 1, "the refusal");
    expect(
      hub
        .of("step")
        .at(-1)
        ?.deltas.map(({ from }) => from),
    ).toEqual([7, 8]);
    expect(hub.of("done")).toMatchObject([{ id: "r1", finish_reason: "length" }]);
    expect(hub.of("refuse")).toMatchObject([{ id: "ghost", code: "not_found" }]);
  });

  it("accepts again what the hub has not heard the first accept of", async () => {
    const { hub, loseLink, textOf } = await answering(["r1"]);
    await loseLink();
    hub.send(0, { type: "resume", requests: [{ id: "r1", from: 0, unaccepted: true }] });
    await hub.until(() => hub.of("step").length === 2, "all of it");
    expect(hub.of("accept")).toHaveLength(2);
    expect(textOf("r1", 1)).toBe("ab");
  });
});

describe("a link to another hub than before", () => {
  it("cancels what nobody can come back to, and gives the rest to the tenant that does", async () => {
    const { hub, node, loseLink, textOf } = await answering(["r1"], "the form");
    hub.send(0, { type: "submit", requests: [submitted("json", NINE)] });
    await hub.until(() => hub.of("accept").length === 2, "an accept");
    const grants = [
      { id: "r1", output_tokens: 12 },
      { id: "json", output_tokens: 12 },
    ];
    hub.send(0, { type: "grant", grants });
    await hub.until(() => node.granted.length === 2, "the grants");
    hub.hubBoot = "boot-2";
    await loseLink();
    await hub.until(() => node.engine.cancelled.length === 1, "a cancel");
    expect(node.engine.cancelled).toEqual(["json"]);
    hub.send(0, { type: "resume", requests: [] });
    hub.send(0, { type: "attach", id: "r1", tenant_id: "ten_other" });
    await hub.until(() => hub.of("refuse").length === 1, "a refusal");
    expect(hub.of("refuse")).toMatchObject([{ id: "r1", code: "not_found" }]);
    hub.send(0, { type: "attach", id: "r1", tenant_id: "ten_a" });
    await hub.until(() => hub.of("attached").length === 1, "the answer");
    const facts = { model: "letters", prompt_tokens: 5, form: "the form", grant_tokens: 12 };
    expect(hub.of("attached")).toEqual([{ type: "attached", id: "r1", ...facts }]);
    node.engine.step();
    await hub.until(() => textOf("r1", 1) === "abc", "the answer from its beginning");
  });
});
