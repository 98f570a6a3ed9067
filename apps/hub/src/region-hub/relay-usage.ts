// Owns the way of usage frames through the hub: one at a time to UsageIntake, then the acknowledgement to the
// node. Keeps nothing: what is not acknowledged, for whatever reason, the node sends again. Invariant: an `ack`
// names only what UsageIntake has made durable.
import { BoundedQueue } from "@fairlane/base";
import type { UsageFrame, UsageIntakeRpc } from "@fairlane/protocol";
import { COMMIT_TIMEOUT_MS, USAGE_FRAMES_WAITING_MAX } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";
import type { NodeLink } from "./node-link.ts";

export class UsageRelay {
  readonly #link: NodeLink;
  readonly #intake: () => Pick<UsageIntakeRpc, "commit">;
  readonly #waiting = new BoundedQueue<UsageFrame>(USAGE_FRAMES_WAITING_MAX);
  #isRunning = false;

  /** @param intake gives a fresh stub: one that failed once fails for good */
  constructor(link: NodeLink, intake: () => Pick<UsageIntakeRpc, "commit">) {
    this.#link = link;
    this.#intake = intake;
  }

  /** Takes a frame; it is dropped when too many wait. */
  push(frame: UsageFrame): void {
    if (!this.#waiting.push(frame)) {
      logEvent("warn", "usage_frame_dropped", { nodeId: this.#link.nodeId, epoch: frame.epoch });
    }
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let frame = this.#waiting.shift(); frame; frame = this.#waiting.shift()) {
      await this.#commit(frame);
    }
    this.#isRunning = false;
  }

  async #commit(frame: UsageFrame): Promise<void> {
    const { epoch, records } = frame;
    const { nodeId } = this.#link;
    try {
      const commit = this.#intake().commit({ nodeId, epoch, records });
      const { watermarks } = await withTimeout(commit, COMMIT_TIMEOUT_MS);
      if (watermarks.length === 0) return;
      this.#link.send({ type: "ack", epoch, watermarks: [...watermarks] });
    } catch (error) {
      const reason = reasonOf(error);
      logEvent("warn", "usage_commit_failed", { nodeId, epoch, records: records.length, reason });
    }
  }
}
