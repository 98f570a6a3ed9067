// Shows the invariants P1..P16 of the fair order on random traces of arrivals, aborts, preemptions, changes of weight
// and steps, and that it makes the same choices as a slow reference in exact rationals.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linearCost, UNITS_PER_TOKEN } from "./cost.ts";
import { FairQueue, type FairQueueOptions } from "./fair-queue.ts";
import { NaiveOrder } from "./testing/naive-order.ts";
import { TraceServer, type Sent } from "./testing/trace-server.ts";

const POOL_TOKENS = 400;
const PROMPT_TOKENS_MAX = 120;
const OUTPUT_TOKENS_MAX = 60;

type Event =
  | { readonly type: "send"; readonly sent: Sent }
  | { readonly type: "step"; readonly count: number }
  | { readonly type: "abort" | "preempt"; readonly pick: number };

/** Weights that divide the units of every token, so that nothing is rounded. */
const EXACT_WEIGHTS = [1, 2, 3, 4, 6, 9, 12] as const;

interface TraceShape {
  readonly depth: number;
  readonly clientCount?: number;
  readonly weights?: readonly number[];
  readonly types?: readonly ("abort" | "preempt")[];
}

function traces({ depth, clientCount = 4, weights = [1], types = [] }: TraceShape) {
  const id = (level: number) =>
    fc.integer({ min: 0, max: clientCount - 1 }).map((client) => `${"tka"[level]}${client}`);
  const sent = fc
    .record({
      path: fc.tuple(...Array.from({ length: depth }, (_, level) => id(level))),
      promptTokens: fc.integer({ min: 1, max: PROMPT_TOKENS_MAX }),
      outputTokens: fc.integer({ min: 0, max: OUTPUT_TOKENS_MAX }),
      cachedPart: fc.constantFrom(0, 0, 0.5, 1),
      weight: fc.constantFrom(...weights),
    })
    .map(({ cachedPart, ...rest }): Sent => {
      const cachedTokens = Math.floor(rest.promptTokens * cachedPart);
      return { ...rest, cachedTokens, outputTokensMax: rest.outputTokens + 3 };
    });
  const send = sent.map((value): Event => ({ type: "send", sent: value }));
  const step = fc.integer({ min: 1, max: 20 }).map((count): Event => ({ type: "step", count }));
  const others = types.map((type) => fc.nat(50).map((pick): Event => ({ type, pick })));
  return fc.array(fc.oneof(send, send, step, ...others), { minLength: 20, maxLength: 150 });
}

/** Plays a trace and calls after every event and step. */
function play(server: TraceServer, events: readonly Event[], check: () => void = () => {}): void {
  for (const event of events) {
    if (event.type === "send") server.send(event.sent);
    if (event.type === "abort" || event.type === "preempt") {
      const among = event.type === "abort" ? server.live : server.running;
      const ticket = among[event.pick % Math.max(1, among.length)];
      if (ticket !== undefined) server[event.type](ticket);
    }
    check();
    const steps = event.type === "step" ? event.count : 0;
    for (let count = 0; count < steps; count++) {
      server.step();
      check();
    }
  }
}

function serverOf(queue: FairQueue<string> | NaiveOrder, slotCount = 1_000): TraceServer {
  return new TraceServer(queue, { poolTokens: POOL_TOKENS, slotCount, chunkTokens: 32 });
}

/** U of this server in units: the longest prompt, or all the output that fits. */
const BOUND_UNITS = linearCost().spreadBoundUnits({
  promptTokensMax: PROMPT_TOKENS_MAX,
  poolTokens: POOL_TOKENS,
});

function logOf(events: readonly Event[], options: FairQueueOptions): readonly string[] {
  const server = serverOf(new FairQueue<string>(options));
  play(server, events);
  return server.log;
}

const ALL_EVENTS = ["abort", "preempt"] as const;

describe("FairQueue on random traces", () => {
  it("chooses as a slow reference in exact rationals does, level by level (P7, P8, P10)", () => {
    const shapes = [1, 3].map((depth) =>
      traces({ depth, clientCount: 3, weights: EXACT_WEIGHTS, types: ALL_EVENTS }),
    );
    fc.assert(
      fc.property(fc.oneof(...shapes), (events) => {
        const queue = new FairQueue<string>();
        const naive = new NaiveOrder();
        const [fast, slow] = [serverOf(queue), serverOf(naive)];
        play(fast, events);
        play(slow, events);
        expect(fast.log).toEqual(slow.log);
        for (const [path, { n, d }] of naive.counters) {
          const key = queue.keyOf(path);
          if (!path.includes("/") && key !== undefined) expect(BigInt(key) * d).toBe(n);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("P1: keeps the counters of waiting clients within U, whatever is aborted", () => {
    const weights = [1, 5, 7];
    fc.assert(
      fc.property(traces({ depth: 1, weights, types: ["abort"] }), (events) => {
        const queue = new FairQueue<string>();
        play(serverOf(queue), events, () => {
          expect(queue.spreadUnits).toBeLessThanOrEqual(BOUND_UNITS);
        });
      }),
    );
  });

  it("P4, P5: lowers a counter by a refund only, and the lowest waiting one never", () => {
    fc.assert(
      fc.property(traces({ depth: 1, types: ALL_EVENTS }), (events) => {
        const refunded = new Map<string, number>();
        const onServed = (tenantId: string, units: number) => {
          if (units < 0) refunded.set(tenantId, (refunded.get(tenantId) ?? 0) - units);
        };
        const queue = new FairQueue<string>({ onServed, forgets: false });
        let before = new Map<string, number>();
        let lowest = Number.NEGATIVE_INFINITY;
        play(serverOf(queue), events, () => {
          const keys = new Map(["t0", "t1", "t2", "t3"].map((id) => [id, queue.keyOf(id) ?? 0]));
          for (const [id, key] of keys) {
            expect(key).toBeGreaterThanOrEqual((before.get(id) ?? 0) - (refunded.get(id) ?? 0));
          }
          before = keys;
          refunded.clear();
          const head = queue.peek();
          const min = head === undefined ? Number.NEGATIVE_INFINITY : queue.keyOf(head.tenantId);
          if (head !== undefined) expect(min).toBeGreaterThanOrEqual(lowest);
          lowest = min ?? lowest;
        });
      }),
    );
  });

  it("P9: charges what was computed, each token once, free recomputation and refunds included", () => {
    fc.assert(
      fc.property(traces({ depth: 2, types: ALL_EVENTS }), (events) => {
        const charged = new Map<string, number>();
        const onServed = (tenantId: string, units: number) =>
          charged.set(tenantId, (charged.get(tenantId) ?? 0) + units);
        const server = serverOf(new FairQueue<string>({ onServed }));
        play(server, events);
        for (const ticket of server.live) server.abort(ticket);
        const spent = (totals: ReadonlyMap<string, number>) =>
          [...totals].filter(([, units]) => units !== 0).toSorted(([a], [b]) => (a < b ? -1 : 1));
        expect(spent(charged)).toEqual(spent(server.served));
      }),
    );
  });

  it("P6: admits whenever the one whose turn it is fits", () => {
    fc.assert(
      fc.property(traces({ depth: 2, types: ALL_EVENTS }), (events) => {
        const queue = new FairQueue<string>();
        const server = serverOf(queue, 3);
        play(server, events);
        for (let count = 0; count < 20_000 && server.live.length > 0; count++) server.step();
        expect([server.live.length, queue.waitingCount]).toEqual([0, 0]);
      }),
      { numRuns: 50 },
    );
  });

  it("P12: makes the same schedule whether it forgets idle clients or not", () => {
    fc.assert(
      fc.property(
        traces({ depth: 2, clientCount: 40, weights: EXACT_WEIGHTS, types: ALL_EVENTS }),
        (events) => {
          const long = [...events, ...events, ...events];
          expect(logOf(long, {})).toEqual(logOf(long, { forgets: false }));
        },
      ),
    );
  });

  it("P13: makes the same schedule when counters are renormalised all the time", () => {
    fc.assert(
      fc.property(traces({ depth: 2, weights: [1, 5], types: ALL_EVENTS }), (events) => {
        const renormaliseAtUnits = 20 * UNITS_PER_TOKEN;
        expect(logOf(events, { renormaliseAtUnits })).toEqual(logOf(events, {}));
      }),
    );
  });

  it("P14: goes on in the same order after a restart between busy times", () => {
    const arbitrary = traces({ depth: 2, weights: [1, 4], types: ["abort"] });
    fc.assert(
      fc.property(arbitrary, arbitrary, (before, after) => {
        const queue = new FairQueue<string>();
        const server = serverOf(queue);
        play(server, before);
        for (const ticket of server.live) server.abort(ticket);
        const restarted = new FairQueue<string>();
        restarted.restore(structuredClone(queue.snapshot()));
        const [same, other] = [serverOf(queue), serverOf(restarted)];
        play(same, after);
        play(other, after);
        expect(other.log).toEqual(same.log);
      }),
    );
  });

  it("P16: treats equal weights of any size as weights of one", () => {
    fc.assert(
      fc.property(traces({ depth: 1, types: ALL_EVENTS }), (events) => {
        const heavier = events.map((event) =>
          event.type === "send" ? { ...event, sent: { ...event.sent, weight: 12 } } : event,
        );
        expect(logOf(heavier, {})).toEqual(logOf(events, {}));
      }),
    );
  });
});
