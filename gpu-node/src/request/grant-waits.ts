// Owns the answers that have all the output that they are granted and wait for more: the word on it may be late, its link
// may be lost, its hub may start anew. They keep slot and pages and have no rows. Invariant: each goes on when more is
// granted, and ends when nothing more is to come or GRANT_WAIT_MS have passed.
import type { Clock } from "@fairlane/base";
import { GRANT_WAIT_MS } from "../limits.ts";
import type { RunningRequest } from "./request.ts";
import { hasOutputLeft } from "./stop-condition.ts";

export class GrantWaits {
  readonly #clock: Clock;
  /** Since when; at most as many as there are slots. */
  readonly #sinceMs = new Map<RunningRequest, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#sinceMs.size;
  }

  /** Notes a request that goes on, if it has to wait. */
  note(request: RunningRequest): void {
    if (waitsForGrant(request)) this.#sinceMs.set(request, this.#clock.nowMs());
  }

  /** Takes out those that end now; they are running, and no step in flight has a row of theirs. */
  takeOver(): readonly RunningRequest[] {
    if (this.#sinceMs.size === 0) return [];
    const over: RunningRequest[] = [];
    const nowMs = this.#clock.nowMs();
    for (const [request, sinceMs] of this.#sinceMs) {
      const waits = !request.hasLeft && waitsForGrant(request);
      if (waits && request.spec.grant?.mayGrow === true && nowMs - sinceMs < GRANT_WAIT_MS)
        continue;
      this.#sinceMs.delete(request);
      if (waits) over.push(request);
    }
    return over;
  }
}

/** It has all of its grant, and its maximum has more. */
export function waitsForGrant(request: RunningRequest): boolean {
  return request.spec.grant !== undefined && !hasOutputLeft(request, request.outputTokens);
}
