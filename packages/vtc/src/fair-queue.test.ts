// Shows the rules of the virtual token counter one by one, with the numbering of edge cases E1..E21: a request of a
// client "a" with p prompt and q output tokens costs 5040 (p + 2 q) units. Engine-side cases are tested in the node.
import { describe, expect, it } from "vitest";
import { UNITS_PER_TOKEN } from "./cost.ts";
import { FairQueue, type FairQueueOptions } from "./fair-queue.ts";
import type { Ticket } from "./ticket.ts";

/** Prompt tokens that were computed. */
const done = (computedTokens: number, cachedTokens = 0) => ({ computedTokens, cachedTokens });

function queueOf(options: FairQueueOptions = {}) {
  const queue = new FairQueue<string>(options);
  let count = 0;
  const add = (tenantId: string, promptTokens = 10, weight = 1): Ticket<string> => {
    count += 1;
    const request = `${tenantId}${count}`;
    const terms = { weight, promptTokens, outputTokensMax: 100, nowMs: 0 };
    return queue.add({ request, path: [tenantId], ...terms });
  };
  const next = (): string | undefined => queue.peek()?.turn.request;
  const join = (ticket: Ticket<string>, cachedTokens = 0) => queue.join(ticket, { cachedTokens });
  const produce = (ticket: Ticket<string>, tokens: number) => {
    queue.produced(ticket, tokens);
    queue.settle();
  };
  const tokens = (tenantId: string) => (queue.keyOf(tenantId) ?? 0) / UNITS_PER_TOKEN;
  return { queue, add, next, join, produce, tokens };
}

/** Two clients wait: "a" was served 30 tokens, "b" 10. */
function busyQueue() {
  const q = queueOf();
  q.add("a");
  q.add("b");
  q.queue.addForeignService("a", 30 * UNITS_PER_TOKEN);
  q.queue.addForeignService("b", 10 * UNITS_PER_TOKEN);
  return q;
}

describe("FairQueue", () => {
  it("E1: lifts a new client to the lowest counter of those that wait", () => {
    const { add, tokens } = busyQueue();
    expect([tokens("a"), tokens("b")]).toEqual([30, 10]);
    add("new");
    expect(tokens("new")).toBe(10);
  });

  it("E2: lets a returning client keep a higher counter", () => {
    const { queue, add, join, produce, tokens } = queueOf();
    const heavy = add("heavy", 500);
    const light = add("light", 1);
    add("light", 1);
    join(heavy);
    join(light);
    produce(heavy, 100);
    queue.end(heavy, done(500));
    add("heavy");
    expect(tokens("heavy")).toBe(700);
    expect(tokens("light")).toBe(1);
  });

  it("E3: lifts whoever comes to an empty queue to the client that left last, as it stands now", () => {
    const { add, join, produce, tokens } = queueOf();
    const last = add("last", 100);
    join(last);
    produce(last, 50);
    add("never-seen");
    expect(tokens("never-seen")).toBe(200);
  });

  it("E4: looks only at clients with waiting requests for the lift", () => {
    const { add, join, tokens } = queueOf();
    join(add("running", 1));
    const busy = add("busy", 70);
    add("busy");
    join(busy);
    expect([tokens("running"), tokens("busy")]).toEqual([1, 71]);
    add("new");
    expect(tokens("new")).toBe(71);
    add("running");
    expect(tokens("running")).toBe(71);
  });

  it("E5: does not lift a client that waits already", () => {
    const { queue, add, tokens } = busyQueue();
    queue.addForeignService("b", 90 * UNITS_PER_TOKEN);
    expect([tokens("a"), tokens("b")]).toEqual([30, 100]);
    queue.addForeignService("a", 20 * UNITS_PER_TOKEN);
    add("b");
    add("a");
    expect([tokens("a"), tokens("b")]).toEqual([50, 100]);
  });

  it("E6, P15: serves a single client first come, first served", () => {
    const { queue, add, join } = queueOf();
    for (const promptTokens of [900, 1, 50, 7]) add("a", promptTokens);
    const order: string[] = [];
    for (let head = queue.peek(); head !== undefined; head = queue.peek()) {
      order.push(head.turn.request);
      join(head);
    }
    expect(order).toEqual(["a1", "a2", "a3", "a4"]);
  });

  it("E7: charges the prompt before the next pick of the same fill", () => {
    const { add, next, join } = queueOf();
    const first = add("a", 10);
    add("a", 10);
    add("b", 10);
    expect(next()).toBe("a1");
    join(first);
    expect(next()).toBe("b3");
  });

  it("E9: charges the tokens that were computed, none or one", () => {
    const { queue, add, join, produce, tokens } = queueOf();
    const none = add("none", 10);
    join(none);
    queue.end(none, done(10));
    expect(tokens("none")).toBe(10);
    const one = add("one", 10);
    join(one);
    produce(one, 1);
    queue.end(one, done(10));
    expect(tokens("one")).toBe(22);
  });

  it("E10, W17: charges the prompt of several answers once and the outputs of each", () => {
    const { queue, add, join, produce, tokens } = queueOf();
    const first = add("a", 100);
    join(first);
    // Each computes the prompt's last token itself, to sample from.
    const others = ["x", "y"].map((request) => queue.fork(first, { request, prompt: done(1) }));
    for (const answer of [first, ...others]) produce(answer, 10);
    expect(tokens("a")).toBe(100 + 2 * 1 + 3 * 20);
    for (const answer of [...others, first]) queue.end(answer, done(answer === first ? 100 : 1));
    expect(tokens("a")).toBe(162);
  });

  it("E11: charges nothing for an abort while waiting, and the client leaves the queue as the last one", () => {
    const { queue, add, tokens } = queueOf();
    queue.addForeignService("a", 40 * UNITS_PER_TOKEN);
    const waiting = add("a");
    queue.end(waiting, done(0));
    expect([tokens("a"), queue.waitingCount, queue.peek()]).toEqual([40, 0, undefined]);
    add("b");
    expect(tokens("b")).toBe(40);
    queue.end(waiting, done(0));
    expect(queue.waitingCount).toBe(1);
  });

  it("E12: keeps what was computed for an abort and gives the rest of the prompt back", () => {
    const { queue, add, join, produce, tokens } = queueOf();
    const decoding = add("a", 100);
    join(decoding);
    produce(decoding, 5);
    queue.end(decoding, done(100));
    expect(tokens("a")).toBe(110);
    const prefilling = add("b", 1_000);
    expect(tokens("b")).toBe(110);
    join(prefilling, 200);
    // 800 computed ones, and 200 cached ones at a twentieth.
    expect(tokens("b")).toBe(110 + 800 + 10);
    queue.end(prefilling, done(300, 200));
    expect(tokens("b")).toBe(110 + 300 + 10);
  });

  it("E13: gives back what a preempted request found in the cache when it joined again", () => {
    const { queue, add, join, tokens } = queueOf();
    const ticket = add("a", 1_000);
    join(ticket);
    queue.preempted(ticket);
    join(ticket, 600);
    expect(tokens("a")).toBe(1_000);
    queue.end(ticket, done(400, 600));
    expect(tokens("a")).toBe(400 + 30);
  });

  it("never lets a refund take a waiting client below the lowest counter", () => {
    const { queue, add, join, produce, tokens } = queueOf();
    const big = add("a", 1_000);
    join(big);
    add("a");
    const other = add("b", 10);
    expect([tokens("a"), tokens("b")]).toEqual([1_000, 1_000]);
    join(other);
    produce(other, 100);
    add("b");
    expect(tokens("b")).toBe(1_210);
    queue.end(big, done(0));
    expect(tokens("a")).toBe(1_000);
  });

  it("E13: charges neither prompt nor outputs again after a preemption, which goes first in its client", () => {
    const { queue, add, join, produce, tokens, next } = queueOf();
    const long = add("a", 100);
    join(long);
    produce(long, 10);
    add("a", 1);
    expect(next()).toBe("a2");
    queue.preempted(long);
    expect(next()).toBe("a1");
    join(long);
    expect(tokens("a")).toBe(120);
    produce(long, 1);
    expect(tokens("a")).toBe(122);
    queue.end(long, done(100));
    expect(tokens("a")).toBe(122);
  });

  it("W14: lifts a client whose preempted request comes back to a queue that it had left", () => {
    const { queue, add, join, tokens } = queueOf();
    const paused = add("a", 10);
    join(paused);
    queue.addForeignService("b", 500 * UNITS_PER_TOKEN);
    add("b");
    queue.preempted(paused);
    expect(tokens("a")).toBe(510);
  });

  it("E14, W10: counts later charges by a new weight, and moves nothing", () => {
    const { add, join, produce, tokens } = queueOf();
    const first = add("a", 100, 1);
    join(first);
    add("a", 100, 4);
    expect(tokens("a")).toBe(100);
    produce(first, 2);
    expect(tokens("a")).toBe(101);
  });

  it("gives a prompt back by the weight it was charged at", () => {
    const { queue, add, join, tokens } = queueOf();
    const first = add("a", 100, 1);
    join(first);
    queue.end(add("a", 100, 4), done(0));
    queue.end(first, done(0));
    expect(tokens("a")).toBe(0);
  });

  it("E17: lets the oldest waiting request break a tie", () => {
    const { queue, add, next } = queueOf();
    const b = add("b");
    add("a");
    add("c");
    expect(next()).toBe("b1");
    queue.end(b, done(0));
    expect(next()).toBe("a2");
  });

  it("E19: charges several tokens of one step as that many", () => {
    const { add, join, produce, tokens } = queueOf();
    const a = add("a", 10);
    join(a);
    produce(a, 4);
    expect(tokens("a")).toBe(18);
  });

  it("E20, W16: charges cached tokens at their own price", () => {
    const { add, join, tokens } = queueOf();
    join(add("a", 1_000), 1_000);
    expect(tokens("a")).toBe(50);
  });

  it("W23: keeps the debt of a client that is idle, until the floor has passed it", () => {
    const { queue, add, join, tokens } = queueOf();
    const debtor = add("debtor", 5_000);
    add("worker", 1);
    join(debtor);
    queue.end(debtor, done(5_000));
    const work = (jobs: number) => {
      for (let count = 0; count < jobs; count++) {
        const job = queue.peek() ?? add("worker", 10);
        join(job);
        queue.end(job, done(job.turn.promptTokens));
      }
    };
    work(400);
    expect(tokens("worker")).toBeLessThan(4_100);
    expect(tokens("debtor")).toBe(5_000);
    work(400);
    expect(queue.keyOf("debtor")).toBeUndefined();
    add("debtor");
    expect(tokens("debtor")).toBe(tokens("worker"));
  });

  it("P12: keeps an idle client that a refund of the last one would leave above the floor", () => {
    const { queue, add, join, tokens } = queueOf();
    const owing = add("owing", 500);
    const last = add("last", 1_000);
    join(owing);
    queue.end(owing, done(500));
    join(last);
    // Many events, while the floor is what the last one may get back in part.
    for (let count = 0; count < 200; count++) queue.end(add("last"), done(0));
    queue.end(last, done(0));
    expect([tokens("last"), tokens("owing")]).toEqual([0, 500]);
  });

  it("W21: forgets idle clients that any lift would raise, so that memory stays flat", () => {
    const { queue, add, join, tokens } = queueOf();
    for (let count = 0; count < 20_000; count++) {
      const once = add(`tenant${count}`, 10);
      join(once);
      queue.end(once, done(10));
    }
    expect(queue.tenantCount).toBeLessThan(300);
    expect(tokens("tenant19999")).toBe(200_000);
  });
});
