// Owns what a shard remembers of answers for the case that their node is gone with its journal: whose they were and how
// much was passed on, while they run and for a minute after. When a node does not come back, or comes back as another
// boot, it is told to UsageIntake, which bills it if the node's own records never come. Keeps nothing over a restart.
import type { AcceptFrame, Delivery, UsageIntakeRpc } from "@fairlane/protocol";
import {
  DELIVERIES_PER_REPORT_MAX,
  DELIVERIES_WATCHED_MAX,
  DELIVERY_SWEEP_MS,
  DELIVERY_TIMEOUT_MS,
  DELIVERY_WATCHED_MS,
  RESUME_WAIT_MS,
} from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";
import type { LiveRequest } from "./live-request.ts";

/** An answer: its node's boot, what is known of it, and what is passed on so far. */
interface Watched {
  readonly live: LiveRequest;
  readonly epoch: number;
  readonly facts: Omit<Delivery, "outputTokens" | "endedAtMs">;
  readonly progress: { readonly outputTokens: number };
  /** When it was first seen to have ended. */
  endedMs: number | undefined;
}

export class Deliveries {
  readonly #intake: () => Pick<UsageIntakeRpc, "noteDelivered">;
  readonly #isLive: (live: LiveRequest) => boolean;
  /** Oldest first. */
  readonly #watched = new Map<string, Watched>();
  /** Nodes whose link was cut, and when. */
  readonly #lostNodes = new Map<string, number>();
  #unreported: Delivery[] = [];
  #isReporting = false;
  #nextSweepMs = 0;

  /** @param intake gives a fresh stub: one that failed once fails for good */
  constructor(
    intake: () => Pick<UsageIntakeRpc, "noteDelivered">,
    isLive: (live: LiveRequest) => boolean,
  ) {
    this.#intake = intake;
    this.#isLive = isLive;
  }

  /** Something is to be watched or told. */
  get isBusy(): boolean {
    return this.#watched.size + this.#lostNodes.size + this.#unreported.length > 0;
  }

  /** A node accepted, or a client came back to its answer; an earlier attempt of the request is forgotten, since it had no token. */
  accepted(
    live: LiveRequest | undefined,
    frame: Pick<AcceptFrame, "model" | "prompt_tokens">,
  ): void {
    if (live?.placement.state !== "answering" || live.billed === null) return;
    const { id: requestId, attempt, tenantId, createdMs, billed, placement } = live;
    const { model, prompt_tokens: promptTokens } = frame;
    const { nodeId, hello } = placement.link;
    this.#watched.delete(requestId);
    const [oldest] = this.#watched.keys();
    if (this.#watched.size >= DELIVERIES_WATCHED_MAX && oldest) this.#watched.delete(oldest);
    this.#watched.set(requestId, {
      ...{ live, epoch: hello?.epoch ?? 0, progress: placement, endedMs: undefined },
      facts: {
        ...{ requestId, attempt, tenantId, ...billed, model, promptTokens },
        ...{ nodeId, receivedAtMs: createdMs },
      },
    });
  }

  /** The node's link was cut without a goodbye. */
  linkLost(nodeId: string, nowMs: number): void {
    this.#lostNodes.set(nodeId, nowMs);
  }

  /** The node is back; as another boot, answers of earlier ones may be in no journal. */
  linked(nodeId: string, epoch: number, nowMs: number): void {
    this.#lostNodes.delete(nodeId);
    this.#takeGone(nowMs, (one) => one.facts.nodeId === nodeId && one.epoch !== epoch);
  }

  /** Forgets what ended long ago, and reports the answers of nodes that did not come back. */
  tick(nowMs: number): void {
    if (nowMs >= this.#nextSweepMs) this.#sweep(nowMs);
    for (const [nodeId, sinceMs] of this.#lostNodes) {
      if (nowMs - sinceMs < RESUME_WAIT_MS) continue;
      this.#lostNodes.delete(nodeId);
      this.#takeGone(nowMs, (one) => one.facts.nodeId === nodeId);
    }
    if (this.#unreported.length > 0 && !this.#isReporting) void this.#report();
  }

  #sweep(nowMs: number): void {
    this.#nextSweepMs = nowMs + DELIVERY_SWEEP_MS;
    for (const [id, watched] of this.#watched) {
      if (watched.endedMs === undefined) {
        if (!this.#isLive(watched.live)) watched.endedMs = nowMs;
      } else if (nowMs - watched.endedMs >= DELIVERY_WATCHED_MS) this.#watched.delete(id);
    }
  }

  #takeGone(nowMs: number, isGone: (watched: Watched) => boolean): void {
    for (const [id, watched] of this.#watched) {
      if (!isGone(watched)) continue;
      this.#watched.delete(id);
      const { outputTokens } = watched.progress;
      if (outputTokens === 0) continue;
      const endedAtMs = watched.endedMs ?? nowMs;
      this.#unreported.push({ ...watched.facts, outputTokens, endedAtMs });
    }
    if (this.#unreported.length > DELIVERIES_WATCHED_MAX) {
      logEvent("error", "deliveries_dropped", { count: this.#unreported.length });
      this.#unreported = this.#unreported.slice(-DELIVERIES_WATCHED_MAX);
    }
  }

  /** One report at a time; what was not kept goes with the next tick. */
  async #report(): Promise<void> {
    this.#isReporting = true;
    const batch = this.#unreported.slice(0, DELIVERIES_PER_REPORT_MAX);
    try {
      await withTimeout(this.#intake().noteDelivered(batch), DELIVERY_TIMEOUT_MS);
      const told = new Set(batch);
      this.#unreported = this.#unreported.filter((delivery) => !told.has(delivery));
    } catch (error) {
      const reason = reasonOf(error);
      logEvent("warn", "deliveries_not_kept", { count: batch.length, reason });
    } finally {
      this.#isReporting = false;
    }
  }
}
