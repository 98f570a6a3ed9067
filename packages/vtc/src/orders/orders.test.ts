// Shows what all orders of admission have in common, and what the baselines do with a heavy and a light client.
import { describe, expect, it } from "vitest";
import { UNITS_PER_TOKEN } from "../cost.ts";
import { DeficitOrder } from "../dlpm.ts";
import { FairQueue } from "../fair-queue.ts";
import type { AdmissionOrder } from "../order.ts";
import { TraceServer } from "../testing/trace-server.ts";
import type { Ticket } from "../ticket.ts";
import { FcfsOrder } from "./fcfs-order.ts";
import { RoundRobinOrder } from "./round-robin-order.ts";

/** Prompt tokens that were computed. */
const done = (computedTokens: number, cachedTokens = 0) => ({ computedTokens, cachedTokens });

const MAKERS: readonly (() => AdmissionOrder<string>)[] = [
  () => new FairQueue<string>(),
  () => new FairQueue<string>({ lifts: false }),
  () => new DeficitOrder<string>({ quantumUnits: 100 * UNITS_PER_TOKEN, prefixTokens: () => 0 }),
  () => new FcfsOrder<string>(),
  () => new FcfsOrder<string>(1_000),
  () => new RoundRobinOrder<string>(),
];

function add(order: AdmissionOrder<string>, tenantId: string, nowMs = 0): Ticket<string> | null {
  const terms = { weight: 1, promptTokens: 10, outputTokensMax: 10, nowMs };
  return order.add({ request: tenantId, path: [tenantId], ...terms });
}

function joinNext(order: AdmissionOrder<string>): Ticket<string> {
  const next = order.peek();
  if (next === undefined) throw new Error("nobody waits");
  order.join(next, { cachedTokens: 0 });
  return next;
}

describe.each(MAKERS.map((make) => ({ name: make().name, make })))("$name", ({ make }) => {
  it("counts who waits, and has nobody's turn when nobody does", () => {
    const order = make();
    expect([order.waitingCount, order.peek()]).toEqual([0, undefined]);
    const [a, b] = [add(order, "a"), add(order, "b")];
    expect(order.waitingCount).toBe(2);
    if (a !== null) order.end(a, done(0));
    expect([order.waitingCount, order.peek()]).toEqual([1, b]);
    expect(joinNext(order)).toBe(b);
    expect([order.waitingCount, order.peek()]).toEqual([0, undefined]);
  });

  it("leaves the one whose turn it is waiting until it joins", () => {
    const order = make();
    add(order, "a");
    add(order, "b");
    expect(order.peek()).toBe(order.peek());
    expect(order.waitingCount).toBe(2);
  });

  it("P8: serves one client's requests in the order in which they came, a preempted one first", () => {
    const order = make();
    const sent = Array.from({ length: 4 }, () => add(order, "a"));
    const first = joinNext(order);
    const second = joinNext(order);
    expect([first, second]).toEqual([sent[0], sent[1]]);
    order.preempted(second);
    order.preempted(first);
    const rest = Array.from({ length: 4 }, () => joinNext(order));
    expect(rest).toEqual(sent);
  });

  it("runs a further answer of a request, which may be preempted and end by itself", () => {
    const order = make();
    add(order, "a");
    const first = joinNext(order);
    const fork = order.fork(first, { request: "a again", prompt: done(1) });
    order.produced(fork, 3);
    order.settle();
    order.end(first, done(10));
    order.preempted(fork);
    expect(order.peek()).toBe(fork);
    expect(joinNext(order)).toBe(fork);
    order.end(fork, done(1));
    expect([order.waitingCount, order.peek()]).toEqual([0, undefined]);
  });

  it("P6: serves everything that was taken, whoever aborts", () => {
    const server = new TraceServer(make(), { poolTokens: 100 });
    for (let count = 0; count < 60; count++) {
      server.send({ path: [`t${count % 3}`], promptTokens: 10, outputTokens: (count % 7) + 1 });
      const [oldest] = server.live;
      if (count % 5 === 4 && oldest !== undefined) server.abort(oldest);
      server.step();
    }
    for (let step = 0; step < 500 && server.live.length > 0; step++) server.step();
    expect([server.live.length, server.order.waitingCount]).toEqual([0, 0]);
  });
});

/** Served tokens of a heavy client (4 requests a step) and a light one (1 a step), both more than their share. */
function floodedWith(order: AdmissionOrder<string>): { heavy: number; light: number } {
  const server = new TraceServer(order, { poolTokens: 60 });
  for (let step = 0; step < 2_000; step++) {
    for (let count = 0; count < 4; count++) {
      server.send({ path: ["heavy"], promptTokens: 10, outputTokens: 10 });
    }
    server.send({ path: ["light"], promptTokens: 10, outputTokens: 10 });
    server.step();
  }
  const tokens = (id: string) => server.servedTo(id) / UNITS_PER_TOKEN;
  return { heavy: tokens("heavy"), light: tokens("light") };
}

describe("baselines", () => {
  it("FCFS serves by rate: who sends four times as much gets four times as much", () => {
    const { heavy, light } = floodedWith(new FcfsOrder());
    expect(heavy / light).toBeCloseTo(4, 0);
  });

  it("VTC, LCF, DLPM and round robin serve equal requests equally", () => {
    for (const make of [MAKERS[0], MAKERS[1], MAKERS[2], MAKERS[5]]) {
      if (make === undefined) continue;
      const { heavy, light } = floodedWith(make());
      expect(heavy / light).toBeCloseTo(1, 1);
    }
  });

  it("LCF lets a client that was idle catch up, VTC does not", () => {
    const shareAfterIdle = (order: AdmissionOrder<string>): number => {
      const server = new TraceServer(order, { poolTokens: 60 });
      const send = (id: string) => {
        if (server.live.filter(({ tenantId }) => tenantId === id).length < 8) {
          server.send({ path: [id], promptTokens: 10, outputTokens: 10 });
        }
      };
      send("idle");
      for (let step = 0; step < 600; step++, send("busy")) server.step();
      const before = { idle: server.servedTo("idle"), busy: server.servedTo("busy") };
      for (let step = 0; step < 300; step++) {
        send("idle");
        send("busy");
        server.step();
      }
      const idle = server.servedTo("idle") - before.idle;
      return idle / (idle + server.servedTo("busy") - before.busy);
    };
    expect(shareAfterIdle(new FairQueue())).toBeCloseTo(0.5, 1);
    expect(shareAfterIdle(new FairQueue({ lifts: false }))).toBeGreaterThan(0.95);
  });

  it("RPM refuses a client beyond its requests of the last minute, and nobody else", () => {
    const order = new FcfsOrder<string>(2);
    const isTaken = (id: string, nowMs: number) => add(order, id, nowMs) !== null;
    expect([isTaken("a", 0), isTaken("a", 30_000), isTaken("a", 59_999)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(isTaken("b", 59_999)).toBe(true);
    expect([isTaken("a", 60_000), isTaken("a", 60_001), isTaken("a", 90_000)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(() => new FcfsOrder(0)).toThrow("requestsPerMinute must be 1 .. 10000, got 0");
  });

  it("round robin serves in requests, so that long ones get more service", () => {
    const server = new TraceServer(new RoundRobinOrder<string>(), { poolTokens: 60 });
    for (let step = 0; step < 1_000; step++) {
      server.send({ path: ["long"], promptTokens: 20, outputTokens: 20 });
      server.send({ path: ["short"], promptTokens: 5, outputTokens: 5 });
      server.step();
    }
    expect(server.servedTo("long") / server.servedTo("short")).toBeGreaterThan(3);
  });
});
