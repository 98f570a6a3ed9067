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
  let stopping = false;
  const { url } = node;

  const supervise = async () => {
    let crashCount = 0;
    let bornMs = Date.now();
    for (;;) {
      const how = await node.ended;
      if (stopping) return;
      crashCount = Date.now() - bornMs > STEADY_MS ? 1 : crashCount + 1;
      if (crashCount > RESTARTS_MAX) {
        onEvent(`the node ended ${crashCount} times in a row (${how}) and is not started again`);
        return;
      }
      onEvent(`the node ended (${how}); starting it again`);
      await sleep(PAUSE_MS * 2 ** (crashCount - 1));
      if (stopping) return;
      const next = await restart(options, onEvent);
      if (!next) return;
      node = next;
      bornMs = Date.now();
      if (stopping) await node.stop("SIGTERM");
    }
  };
  const supervision = supervise();
  return {
    url,
    async stop() {
      stopping = true;
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
