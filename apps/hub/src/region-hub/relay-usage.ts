// Owns the way of a link's usage through the hub: to UsageIntake, one commit at a time, then the acknowledgement to
// the node. What comes while a commit is under way, and within a short window after it began, shares the next one: a
// commit, its forwarding and its settlement cost about the same for one record as for fifty. Keeps nothing: what is
// not acknowledged, for whatever reason, the node sends again. Invariant: an `ack` names only what UsageIntake has
// made durable.
import { protocolLimits, type UsageFrame, type UsageIntakeRpc } from "@fairlane/protocol";
import { COMMIT_TIMEOUT_MS, USAGE_RECORDS_WAITING_MAX, USAGE_WINDOW_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";
import type { NodeLink } from "./node-link.ts";

type Batch = Pick<UsageFrame, "epoch" | "records"> & {
  readonly acked: NonNullable<UsageFrame["acked"]>;
};

export class UsageRelay {
  readonly #link: Pick<NodeLink, "nodeId" | "send">;
  readonly #intake: () => Pick<UsageIntakeRpc, "commit">;
  /** In the order of arrival; together at most USAGE_RECORDS_WAITING_MAX records. */
  readonly #waiting: UsageFrame[] = [];
  #waitingRecords = 0;
  #isRunning = false;

  /** @param intake gives a fresh stub: one that failed once fails for good */
  constructor(
    link: Pick<NodeLink, "nodeId" | "send">,
    intake: () => Pick<UsageIntakeRpc, "commit">,
  ) {
    this.#link = link;
    this.#intake = intake;
  }

  /** Takes a frame; it is dropped when too many records wait. */
  push(frame: UsageFrame): void {
    if (this.#waitingRecords + frame.records.length > USAGE_RECORDS_WAITING_MAX) {
      logEvent("warn", "usage_frame_dropped", { nodeId: this.#link.nodeId, epoch: frame.epoch });
      return;
    }
    this.#waiting.push(frame);
    this.#waitingRecords += frame.records.length;
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let batch = this.#nextBatch(); batch; batch = this.#nextBatch()) {
      const windowEnd = new Promise((resolve) => setTimeout(resolve, USAGE_WINDOW_MS));
      await this.#commit(batch);
      await windowEnd;
    }
    this.#isRunning = false;
  }

  /** The frames of the oldest one's epoch that fit a commit, as one. */
  #nextBatch(): Batch | undefined {
    const [first] = this.#waiting;
    if (!first) return undefined;
    let frames = 0;
    let recordCount = 0;
    for (const { epoch, records } of this.#waiting) {
      recordCount += records.length;
      const fits = frames === 0 || recordCount <= protocolLimits.USAGE_RECORDS_MAX;
      if (epoch !== first.epoch || !fits) break;
      frames += 1;
    }
    const taken = this.#waiting.splice(0, frames);
    const records = taken.flatMap((frame) => frame.records);
    const acked = taken.flatMap((frame) => frame.acked ?? []);
    this.#waitingRecords -= records.length;
    return { epoch: first.epoch, records, acked };
  }

  async #commit({ epoch, records, acked }: Batch): Promise<void> {
    const { nodeId } = this.#link;
    try {
      const commit = this.#intake().commit({ nodeId, epoch, records, acked });
      const { watermarks } = await withTimeout(commit, COMMIT_TIMEOUT_MS);
      if (watermarks.length === 0) return;
      this.#link.send({ type: "ack", epoch, watermarks: [...watermarks] });
    } catch (error) {
      const reason = reasonOf(error);
      logEvent("warn", "usage_commit_failed", { nodeId, epoch, records: records.length, reason });
    }
  }
}
