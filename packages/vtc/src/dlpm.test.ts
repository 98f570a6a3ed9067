// Shows the deficit longest-prefix-match order: prefixes first within a quantum, service within U + Q.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linearCost, UNITS_PER_TOKEN } from "./cost.ts";
import { DeficitOrder } from "./dlpm.ts";
import { TraceServer } from "./testing/trace-server.ts";
import type { Ticket } from "./ticket.ts";

/** Prompt tokens that were computed. */
const done = (computedTokens: number, cachedTokens = 0) => ({ computedTokens, cachedTokens });

/** A request's name ends in the tokens of its cached prefix. */
const prefixTokens = (request: string) => Number(request.split(":")[1] ?? 0);

function orderOf(quantumTokens: number) {
  const order = new DeficitOrder<string>({
    quantumUnits: quantumTokens * UNITS_PER_TOKEN,
    prefixTokens,
  });
  let count = 0;
  const add = (tenantId: string, cachedTokens = 0): Ticket<string> => {
    count += 1;
    const terms = { weight: 1, promptTokens: 10, outputTokensMax: 10, nowMs: 0 };
    return order.add({
      request: `${tenantId}${count}:${cachedTokens}`,
      path: [tenantId],
      ...terms,
    });
  };
  const joinNext = () => {
    const next = order.peek();
    if (next === undefined) return undefined;
    order.join(next, { cachedTokens: 0 });
    return next.turn.request;
  };
  return { order, add, joinNext };
}

describe("DeficitOrder", () => {
  it("takes the longest cached prefix of any client that has some of its quantum left", () => {
    const { add, joinNext } = orderOf(100);
    add("a", 2);
    add("b", 7);
    add("a", 9);
    expect([joinNext(), joinNext(), joinNext(), joinNext()]).toEqual([
      "a3:9",
      "b2:7",
      "a1:2",
      undefined,
    ]);
  });

  it("makes a client wait whose quantum is used up, and refills when all are", () => {
    const { order, add, joinNext } = orderOf(15);
    for (let count = 0; count < 3; count++) add("a", 9);
    add("b", 0);
    add("b", 0);
    // Each costs 10: two use a quantum of 15 up.
    expect([joinNext(), joinNext(), joinNext(), joinNext()]).toEqual([
      "a1:9",
      "a2:9",
      "b4:0",
      "b5:0",
    ]);
    expect(order.refillCount).toBe(1);
    expect(joinNext()).toBe("a3:9");
    expect(order.refillCount).toBe(2);
    expect(order.deficitOf("a") / UNITS_PER_TOKEN).toBe(-5 + 15 - 10);
  });

  it("lets an idle client keep a debt until refills have paid it, and no credit", () => {
    const { order, add, joinNext } = orderOf(10);
    const first = add("a");
    joinNext();
    order.produced(first, 10);
    order.end(first, done(10));
    expect(order.deficitOf("a") / UNITS_PER_TOKEN).toBe(-20);
    for (let count = 0; count < 3; count++) {
      const other = add("b");
      joinNext();
      order.end(other, done(10));
    }
    expect(order.deficitOf("a") / UNITS_PER_TOKEN).toBeGreaterThanOrEqual(-20);
    expect(order.deficitOf("b")).toBeLessThanOrEqual(0);
  });

  it("refuses a quantum that gives nothing", () => {
    expect(() => orderOf(0)).toThrow("quantumUnits must be an integer >= 1, got 0");
  });

  it("[DLPM] keeps clients that always wait within 2 (U + Q) of one another in service", () => {
    const poolTokens = 300;
    const boundUnits = linearCost().spreadBoundUnits({ promptTokensMax: 60, poolTokens });
    const size = fc.record({
      promptTokens: fc.integer({ min: 1, max: 60 }),
      outputTokens: fc.integer({ min: 1, max: 60 }),
      weight: fc.integer({ min: 1, max: 3 }),
    });
    const mixes = fc.array(size, { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(mixes, fc.integer({ min: 1, max: 2_000 }), (mix, quantumTokens) => {
        const quantumUnits = quantumTokens * UNITS_PER_TOKEN;
        // The first client's prompts are always cached, nobody else's are.
        const order = new DeficitOrder<string>({
          quantumUnits,
          prefixTokens: (request) => (request.startsWith("t0") ? 50 : 0),
        });
        const server = new TraceServer(order, { poolTokens, slotCount: 4 });
        for (let step = 0; step < 800; step++) {
          for (const [index, sent] of mix.entries()) {
            const id = `t${index}`;
            const mine = server.live.filter((ticket) => ticket.tenantId === id);
            // More than a step can admit, so that it always waits.
            const waiting = mine.filter(({ state }) => state === "waiting").length;
            for (let count = waiting; count < 5; count++) server.send({ ...sent, path: [id] });
          }
          server.step();
          const served = mix.map(({ weight }, index) => server.servedTo(`t${index}`) / weight);
          const gap = Math.max(...served) - Math.min(...served);
          expect(gap).toBeLessThanOrEqual(2 * (boundUnits + quantumUnits));
          expect(order.spreadUnits).toBeLessThanOrEqual(boundUnits + quantumUnits);
        }
      }),
      { numRuns: 15 },
    );
  });
});
