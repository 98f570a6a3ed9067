// Shows the bounds on service for clients that always have requests waiting: P2, P3, P11 and P15, with slack and
// weights, on servers with strict reservation and random request sizes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linearCost, UNITS_PER_TOKEN } from "./cost.ts";
import { FairQueue } from "./fair-queue.ts";
import type { AdmissionOrder } from "./order.ts";
import { TraceServer, type Sent } from "./testing/trace-server.ts";

const POOL_TOKENS = 400;
/** Fewer than wait of each client, so that all of them wait all the time. */
const SLOT_COUNT = 6;
const sizes = fc.record({
  promptTokens: fc.integer({ min: 1, max: 150 }),
  outputTokens: fc.integer({ min: 1, max: 100 }),
});
const clients = fc.array(
  fc.record({
    requests: fc.array(sizes, { minLength: 1, maxLength: 5 }),
    weight: fc.integer({ min: 1, max: 4 }),
  }),
  { minLength: 2, maxLength: 5 },
);
const BOUND_UNITS = linearCost().spreadBoundUnits({
  promptTokensMax: 150,
  poolTokens: POOL_TOKENS,
});

/** Every client sends its requests over and over; calls after each step with what each was served, by weight. */
function flood(
  mix: readonly { readonly requests: readonly Omit<Sent, "path">[]; readonly weight: number }[],
  server: TraceServer,
  each: (servedByWeight: readonly number[]) => void,
): void {
  let sentCount = 0;
  for (let step = 0; step < 1_500; step++) {
    for (const [index, { requests, weight }] of mix.entries()) {
      const path = [`t${index}`];
      const waiting = server.live.filter(
        ({ tenantId, state }) => tenantId === path[0] && state === "waiting",
      );
      const missing = Math.max(0, SLOT_COUNT + 1 - waiting.length);
      const next = () => requests[sentCount++ % requests.length] ?? requests[0];
      const missed = Array.from({ length: missing }, next).flatMap((size) => size ?? []);
      for (const size of missed) server.send({ ...size, path, weight });
    }
    server.step();
    each(mix.map(({ weight }, index) => server.servedTo(`t${index}`) / weight));
  }
}

function range(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values);
}

describe("clients that always wait", () => {
  it("P2, P3: are served within 2U of one another over any time, by weight", () => {
    fc.assert(
      fc.property(clients, (mix) => {
        const server = new TraceServer(new FairQueue<string>(), {
          poolTokens: POOL_TOKENS,
          slotCount: SLOT_COUNT,
        });
        const start = mix.map(() => 0);
        let low = start;
        let high = start;
        flood(mix, server, (served) => {
          // Differences to the first client; the largest swing over any interval is between two of them.
          const gaps = served.map((units) => units - (served[0] ?? 0));
          low = low.map((gap, index) => Math.min(gap, gaps[index] ?? 0));
          high = high.map((gap, index) => Math.max(gap, gaps[index] ?? 0));
        });
        for (const [index, gap] of high.entries()) {
          expect(gap - (low[index] ?? 0)).toBeLessThanOrEqual(2 * BOUND_UNITS);
        }
      }),
      { numRuns: 15 },
    );
  });

  it("P15: take turns when all their requests cost the same", () => {
    const server = new TraceServer(new FairQueue<string>(), { poolTokens: 20, slotCount: 1 });
    for (let round = 0; round < 10; round++) {
      for (const id of ["c", "a", "b"])
        server.send({ path: [id], promptTokens: 4, outputTokens: 3 });
    }
    while (server.live.length > 0) server.step();
    const tenants = server.log.map((name) => name.slice(0, 1)).join("");
    expect(tenants).toBe("cab".repeat(10));
  });

  it("P11, W7: serve one that sends a short request now and then without a long wait", () => {
    const server = new TraceServer(new FairQueue<string>(), { poolTokens: POOL_TOKENS });
    const heavy = { promptTokens: 100, outputTokens: 100 };
    let ping = server.send({ path: ["ping"], promptTokens: 1, outputTokens: 1 });
    let waitedSteps = 0;
    for (let step = 0; step < 5_000; step++) {
      for (const id of ["x", "y", "z"]) {
        if (server.live.filter(({ tenantId }) => tenantId === id).length < 4) {
          server.send({ path: [id], ...heavy });
        }
      }
      // Back as soon as its request has ended: lifted each time, it gains no more than its share.
      if (ping?.state === "ended") {
        ping = server.send({ path: ["ping"], promptTokens: 1, outputTokens: 1 });
        waitedSteps = 0;
      }
      server.step();
      waitedSteps += 1;
      // 2 (n - 1) U / a, with U = 800, n = 4 and at least two tokens of output, that is 4 units, a step.
      expect(waitedSteps).toBeLessThanOrEqual(1_200);
    }
    expect(server.servedTo("ping")).toBeGreaterThan(0);
    const units = ["x", "y", "z"].map((id) => server.servedTo(id));
    expect(server.servedTo("ping")).toBeLessThanOrEqual(Math.min(...units) + BOUND_UNITS);
  });

  it("W8, W9: get a tenant's share, however many keys or adapters one of them has", () => {
    const server = new TraceServer(new FairQueue<string>(), { poolTokens: POOL_TOKENS });
    const size = { promptTokens: 20, outputTokens: 20 };
    for (let step = 0; step < 3_000; step++) {
      for (let part = 0; part < 8; part++) {
        if (step % 8 === part) server.send({ path: ["many", `k${part}`, `a${part}`], ...size });
      }
      if (step % 3 === 0) server.send({ path: ["one", "k", "base"], ...size });
      server.step();
    }
    const [many, one] = [server.servedTo("many"), server.servedTo("one")];
    expect(Math.abs(many - one)).toBeLessThanOrEqual(2 * BOUND_UNITS);
    expect(one).toBeGreaterThan(20 * BOUND_UNITS);
  });

  it("P1, P2, P7 with slack: stay within U + S, and twice that in service", () => {
    const slackUnits = 500 * UNITS_PER_TOKEN;
    fc.assert(
      fc.property(clients, fc.integer({ min: 2, max: 5 }), (mix, everyNth) => {
        const queue = new FairQueue<string>();
        // Every n-th request is not ready when its turn comes, as with a cold adapter.
        const order = orderOf(queue, () => {
          const head = queue.peek();
          const lowest = queue.keyOf(head?.tenantId ?? "") ?? 0;
          const ready = queue.peekWithin(slackUnits, ({ arrival }) => arrival % everyNth !== 0);
          const key = queue.keyOf(ready?.tenantId ?? "") ?? 0;
          expect(key).toBeLessThanOrEqual(lowest + slackUnits);
          return ready ?? head;
        });
        const server = new TraceServer(order, { poolTokens: POOL_TOKENS, slotCount: SLOT_COUNT });
        flood(mix, server, (served) => {
          expect(queue.spreadUnits).toBeLessThanOrEqual(BOUND_UNITS + slackUnits);
          expect(range(served)).toBeLessThanOrEqual(2 * (BOUND_UNITS + slackUnits));
        });
      }),
      { numRuns: 10 },
    );
  });
});

/** The queue's order with another pick. */
function orderOf(
  queue: FairQueue<string>,
  peek: FairQueue<string>["peek"],
): AdmissionOrder<string> {
  return {
    name: queue.name,
    waitingCount: 0,
    spreadUnits: 0,
    peek,
    add: (turn) => queue.add(turn),
    join: (ticket, prompt) => queue.join(ticket, prompt),
    fork: (ticket, fork) => queue.fork(ticket, fork),
    produced: (ticket, tokens) => queue.produced(ticket, tokens),
    settle: () => queue.settle(),
    preempted: (ticket) => queue.preempted(ticket),
    end: (ticket, prompt) => queue.end(ticket, prompt),
    compareService: (a, b) => queue.compareService(a, b),
  };
}
