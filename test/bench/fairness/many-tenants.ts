// Owns the measurement of the scheduler's own time in a step with many tenants: 100 that have requests running and
// waiting, 100,000 that were served once and owe something, so that none of them may be forgotten. The engine is simulated; its work is
// not timed. Times are of this machine.
import { FairQueue } from "@fairlane/vtc";

export interface TenantTimes {
  /** Of what a step asks the fair queue: who is next, a join, an end, one output for each of 100 requests. */
  readonly stepUsP50: number;
  readonly stepUsP99: number;
}

const ACTIVE = 100;
const STEPS = 2_000;
const WARM_UP_STEPS = 500;

/** Times the fair queue's part of a step with this many idle tenants that are kept. */
export function timeSteps(idleCount: number): TenantTimes {
  const queue = new FairQueue<number>();
  const terms = { weight: 1, outputTokensMax: 256, nowMs: 0 };
  const send = (tenantId: string, promptTokens: number) =>
    queue.add({ request: 0, path: [tenantId, "key"], promptTokens, ...terms });
  for (let index = 0; index < ACTIVE; index++) {
    send(`active${index}`, 100);
    send(`active${index}`, 100);
  }
  for (let index = 0; index < idleCount; index++) {
    const ticket = send(`idle${index}`, 1_000_000);
    queue.join(ticket, { cachedTokens: 0 });
    queue.end(ticket, { computedTokens: 1_000_000, cachedTokens: 0 });
  }
  if (queue.tenantCount < idleCount) throw new Error(`${queue.tenantCount} tenants are kept`);
  const running = Array.from({ length: ACTIVE }, (_, index) => {
    const ticket = send(`active${index}`, 100);
    queue.join(ticket, { cachedTokens: 0 });
    return ticket;
  });
  const timesUs: number[] = [];
  for (let step = 0; step < WARM_UP_STEPS + STEPS; step++) {
    const slot = step % ACTIVE;
    const begunMs = performance.now();
    for (const ticket of running) queue.produced(ticket, 1);
    queue.settle();
    const oldest = running[slot];
    if (oldest !== undefined) queue.end(oldest, { computedTokens: 100, cachedTokens: 0 });
    const next = queue.peek();
    if (next !== undefined) {
      queue.join(next, { cachedTokens: 0 });
      running[slot] = next;
    }
    const tookUs = (performance.now() - begunMs) * 1_000;
    send(next?.tenantId ?? "active0", 100);
    if (step >= WARM_UP_STEPS) timesUs.push(tookUs);
  }
  timesUs.sort((a, b) => a - b);
  const at = (part: number) => timesUs[Math.floor(timesUs.length * part)] ?? Number.NaN;
  return { stepUsP50: at(0.5), stepUsP99: at(0.99) };
}
