// Routing as a function: which of several nodes a request goes to, by what they said of themselves.
import type { AdapterTier } from "@fairlane/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { helloOf } from "../../test/test-node.ts";
import { chooseNode } from "./choose-node.ts";
import { cachedTokens, costMs, isHopeless, type PromptFacts } from "./node-cost.ts";
import type { NodeEntry } from "./node-directory.ts";
import type { NodeLink } from "./node-link.ts";

function entry(nodeId: string, change: Partial<NodeEntry> = {}): NodeEntry {
  return {
    // Routing reads its name only.
    link: { nodeId } as unknown as NodeLink,
    hello: helloOf(nodeId),
    loadRequests: 0,
    queuedTokens: 0,
    prefillTokensPerS: 1_000,
    prefixes: new Set(),
    lastColdTurn: 0,
    isDraining: false,
    adapters: new Map<string, AdapterTier>(),
    ...change,
  };
}

const cold: PromptFacts = { promptTokens: 1_000, digests: [], adapter: undefined };
const known: PromptFacts = { ...cold, digests: ["a1", "a2", "a3", "a4"] };

function chosen(nodes: readonly NodeEntry[], prompt: PromptFacts, explores = false): string {
  const wanted = { model: "tiny", refusedBy: new Set<string>(), prompt, explores };
  const choice = chooseNode(nodes, wanted);
  return choice.kind === "node" ? choice.node.link.nodeId : choice.kind;
}

describe("the cost of a node", () => {
  it("is tokens over its rate: what waits, 64 for each request, and what is not cached", () => {
    expect(costMs(entry("a"), cold)).toBe(1_000);
    expect(costMs(entry("a", { queuedTokens: 500, loadRequests: 2 }), cold)).toBe(1_628);
    expect(costMs(entry("a", { prefillTokensPerS: 4_000 }), cold)).toBe(250);
    expect(costMs(entry("a", { prefillTokensPerS: undefined }), cold)).toBe(1_000);
    // Three chunks of 128 tokens are named; the fourth is not, and the first two need not be.
    const has = entry("a", { prefixes: new Set(["a3"]) });
    expect(cachedTokens(has, known)).toBe(384);
    expect(costMs(has, known)).toBe(616);
  });

  it("has the time to load an adapter, by where it lies", () => {
    const adapter = { digest: "d1", bytes: 5_000_000 };
    const at = (tier: AdapterTier) =>
      costMs(entry("a", { adapters: new Map([["d1", tier]]) }), { ...cold, adapter }) - 1_000;
    expect([at("device"), at("host"), at("disk")]).toEqual([0, 2, 10]);
    expect(costMs(entry("a"), { ...cold, adapter }) - 1_000).toBe(300);
  });
});

describe("a request that no node can begin in time", () => {
  it("is told so at once, but only by a measured rate", () => {
    const busy = entry("a", { queuedTokens: 60_000 });
    expect(isHopeless(busy, cold, 61_000)).toBe(false);
    expect(isHopeless(busy, cold, 60_999)).toBe(true);
    expect(isHopeless(entry("a", { ...busy, prefillTokensPerS: undefined }), cold, 1)).toBe(false);
  });
});

describe("the choice of a node", () => {
  it("stays with the prompt's beginning until the queue costs more than the cache saves", () => {
    const prefixes = new Set(["a1", "a2", "a3", "a4"]);
    const free = entry("free");
    expect(chosen([free, entry("holder", { prefixes })], known)).toBe("holder");
    expect(chosen([free, entry("holder", { prefixes, loadRequests: 7 })], known)).toBe("holder");
    expect(chosen([free, entry("holder", { prefixes, loadRequests: 9 })], known)).toBe("free");
  });

  it("sends one of them elsewhere when it is to explore, and cold prompts never", () => {
    const nodes = [entry("free"), entry("holder", { prefixes: new Set(["a1"]) })];
    expect([chosen(nodes, known, true), chosen(nodes, known)]).toEqual(["free", "holder"]);
    expect(chosen([entry("a"), entry("b")], cold, true)).toBe("a");
  });

  it("gives cold prompts to the node that has waited longest for one", () => {
    expect(chosen([entry("a", { lastColdTurn: 4 }), entry("b", { lastColdTurn: 3 })], cold)).toBe(
      "b",
    );
  });

  it("takes a node that has the adapter over one that must pull it", () => {
    const adapter = { digest: "d1", bytes: 1_000_000 };
    const has = entry("b", { adapters: new Map([["d1", "disk"]]) });
    expect(chosen([entry("a"), has], { ...cold, adapter })).toBe("b");
  });

  const states = fc.array(
    fc.record({
      loadRequests: fc.nat(50),
      queuedTokens: fc.nat(100_000),
      prefillTokensPerS: fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined }),
      prefixes: fc.subarray(["a1", "a2", "a3", "a4"]).map((some) => new Set(some)),
    }),
    { minLength: 1, maxLength: 8 },
  );

  it("is the cheapest, whatever the order of the nodes", () => {
    fc.assert(
      fc.property(states, (some) => {
        const nodes = some.map((state, index) => entry(`n${index}`, state));
        const name = chosen(nodes, known);
        expect(chosen(nodes.toReversed(), known)).toBe(name);
        const cheapest = Math.min(...nodes.map((node) => costMs(node, known)));
        const best = nodes.find(({ link }) => link.nodeId === name);
        expect(best && costMs(best, known)).toBe(cheapest);
      }),
    );
  });

  it("never gets dearer by a longer cached beginning, nor cheaper by more load", () => {
    fc.assert(
      fc.property(states, ([state]) => {
        const node = entry("n", state);
        const more = entry("n", { ...state, prefixes: new Set([...node.prefixes, "a4"]) });
        expect(costMs(more, known)).toBeLessThanOrEqual(costMs(node, known));
        const loaded = entry("n", { ...state, loadRequests: node.loadRequests + 1 });
        expect(costMs(loaded, known)).toBeGreaterThan(costMs(node, known));
      }),
    );
  });
});
