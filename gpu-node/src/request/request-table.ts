// Owns which requests are live, by id, and which of them hold a slot of the engine. A slot stays the same while
// its request runs. It knows nothing of pages or steps. Invariant: every running request has its own slot, and
// free slots plus running requests are all slots.
import { assert } from "@fairlane/base";
import {
  joinRunning,
  preempt,
  type LiveRequest,
  type Placement,
  type PreemptedRequest,
  type QueuedRequest,
  type RunningRequest,
  type WaitingRequest,
} from "./request.ts";

/** It holds neither slot nor pages. */
export function isWaiting(request: LiveRequest): request is WaitingRequest {
  return request.state === "queued" || request.state === "preempted";
}

export class RequestTable {
  readonly slotCount: number;
  readonly #byId = new Map<string, LiveRequest>();
  /** In the order of joining; prefills are served in it. */
  readonly #running: RunningRequest[] = [];
  readonly #freeSlots: number[] = [];

  constructor(slotCount: number) {
    assert(
      Number.isSafeInteger(slotCount) && slotCount >= 1,
      `slotCount must be >= 1: ${slotCount}`,
    );
    this.slotCount = slotCount;
    for (let slot = slotCount - 1; slot >= 0; slot--) this.#freeSlots.push(slot);
  }

  /** Running requests in the order in which they joined. Changes with every join and end. */
  get running(): readonly RunningRequest[] {
    return this.#running;
  }

  get liveCount(): number {
    return this.#byId.size;
  }

  get freeSlotCount(): number {
    return this.#freeSlots.length;
  }

  get(requestId: string): LiveRequest | undefined {
    return this.#byId.get(requestId);
  }

  addQueued(request: QueuedRequest): void {
    const { requestId } = request.spec;
    assert(!this.#byId.has(requestId), `${requestId} is live already`);
    this.#byId.set(requestId, request);
  }

  /** Gives a waiting request a slot and its pages. The caller has checked that a slot is free. */
  join(request: WaitingRequest, place: Omit<Placement, "slot">): RunningRequest {
    const { requestId } = request.spec;
    assert(this.#byId.get(requestId) === request, `${requestId} joins without waiting`);
    const slot = this.#freeSlots.pop();
    assert(slot !== undefined, `${requestId} joins while no slot is free`);
    const joined = joinRunning(request, { ...place, slot });
    this.#byId.set(requestId, joined);
    this.#running.push(joined);
    return joined;
  }

  /** Takes a running request's slot away; it is live and waits from now on. */
  preempt(request: RunningRequest): PreemptedRequest {
    const preempted = preempt(request);
    this.remove(request);
    this.#byId.set(request.spec.requestId, preempted);
    return preempted;
  }

  /** Forgets a request that ends; its slot is free again. */
  remove(request: LiveRequest): void {
    const { requestId } = request.spec;
    assert(this.#byId.get(requestId) === request, `${requestId} ends without being live`);
    this.#byId.delete(requestId);
    if (isWaiting(request)) return;
    const index = this.#running.indexOf(request);
    assert(index >= 0, `${requestId} ends without running`);
    this.#running.splice(index, 1);
    request.hasLeft = true;
    this.#freeSlots.push(request.slot);
    assert(
      this.#freeSlots.length + this.#running.length === this.slotCount,
      `${this.#freeSlots.length} free and ${this.#running.length} running of ${this.slotCount} slots`,
    );
  }
}
