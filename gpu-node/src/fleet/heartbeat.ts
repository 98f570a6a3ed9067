// Owns the node's sign of life on the link: its load, and whether it takes anything new.
import type { HeartbeatFrame } from "@fairlane/protocol";
import type { WorkerLoad } from "../engine/worker-messages.ts";

/** A heartbeat frame of this moment. `takesWork` false also tells a hub that the node is stuck or its disk full. */
export function heartbeatFrame(state: {
  readonly load: WorkerLoad;
  readonly takesWork: boolean;
  readonly nowMs: number;
}): HeartbeatFrame {
  const { load, takesWork, nowMs } = state;
  return {
    type: "heartbeat",
    sent_at_ms: nowMs,
    load: {
      running: load.running,
      waiting: load.waiting,
      pages_free: load.pagesFree,
      pages_total: load.pagesTotal,
    },
    draining: !takesWork,
  };
}
