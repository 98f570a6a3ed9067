// Owns one node of `npm run dev` over its crashes: it is started again with growing pauses, and given up after too
// many in a row, so that a node that cannot live does not loop for ever.
import { setTimeout as sleep } from "node:timers/promises";
import { startNode, type NodeOptions, type RunningNode } from "./start-node.ts";

const RESTARTS_MAX = 5;
const PAUSE_MS = 500;
/** A node that lived this long starts the count afresh. */
const STEADY_MS = 60_000;

export interface SupervisedNode {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts the node and keeps it running until `stop`. */
export async function startSupervisedNode(
  options: NodeOptions,
  onEvent: (sentence: string) => void,
): Promise<SupervisedNode> {
  let node = await startNode(options);
  const stop = new AbortController();
  const { url } = node;

  const supervise = async () => {
    let failureCount = 0;
    let bornMs = Date.now();
    let how = await node.ended;
    while (!stop.signal.aborted) {
      failureCount = Date.now() - bornMs > STEADY_MS ? 1 : failureCount + 1;
      if (failureCount > RESTARTS_MAX) {
        onEvent(`the node failed ${failureCount} times in a row (${how}) and is not started again`);
        return;
      }
      onEvent(`the node ended (${how}); starting it again`);
      const pauseMs = PAUSE_MS * 2 ** (failureCount - 1);
      // An aborted pause rejects; the next line looks at the signal itself.
      await sleep(pauseMs, undefined, { signal: stop.signal }).catch(() => undefined);
      if (stop.signal.aborted) return;
      bornMs = Date.now();
      const next = await restart(options, onEvent);
      if (next) {
        node = next;
        if (stop.signal.aborted) await node.stop("SIGTERM");
      }
      how = next ? await next.ended : "no start";
    }
  };
  const supervision = supervise();
  return {
    url,
    async stop() {
      stop.abort();
      await node.stop("SIGTERM");
      await supervision;
    },
  };
}

async function restart(
  options: NodeOptions,
  onEvent: (sentence: string) => void,
): Promise<RunningNode | undefined> {
  try {
    const node = await startNode(options);
    onEvent(`the node is back at ${node.url}`);
    return node;
  } catch (error) {
    onEvent(`the node could not be started again: ${error instanceof Error ? error.message : ""}`);
    return undefined;
  }
}
