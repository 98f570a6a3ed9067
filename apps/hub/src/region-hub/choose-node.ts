// E4, route: which node gets a request. Pure; the least loaded of those that serve the model and take work.
import type { NodeEntry } from "./node-directory.ts";

export type NodeChoice =
  | { readonly kind: "node"; readonly node: NodeEntry }
  /** No node is linked, or those with the model take nothing new: waiting for one can help. */
  | { readonly kind: "no_capacity" }
  /** Nodes are linked and none serves the model. */
  | { readonly kind: "unknown_model" }
  /** Every node that could take it has turned it away already. */
  | { readonly kind: "all_refused" };

/**
 * Chooses a node.
 * @param wanted.model undefined means any node's default model
 * @param wanted.endpoint undefined means chat completions, which every node serves
 * @param wanted.refusedBy nodes that turned this request away
 */
export function chooseNode(
  nodes: readonly NodeEntry[],
  wanted: {
    readonly model: string | undefined;
    readonly endpoint?: string | undefined;
    readonly refusedBy: ReadonlySet<string>;
  },
): NodeChoice {
  const { model, endpoint, refusedBy } = wanted;
  if (nodes.length === 0) return { kind: "no_capacity" };
  const serving = nodes.filter(({ hello }) =>
    hello.models.some(
      ({ id, endpoints = [] }) =>
        (model === undefined || id === model) &&
        (endpoint === undefined || endpoints.includes(endpoint)),
    ),
  );
  if (serving.length === 0) return { kind: "unknown_model" };
  const open = serving.filter((node) => !node.isDraining);
  if (open.length === 0) return { kind: "no_capacity" };
  const [first, ...others] = open.filter(({ link }) => !refusedBy.has(link.nodeId));
  if (first === undefined) return { kind: "all_refused" };
  return { kind: "node", node: others.reduce(lessLoaded, first) };
}

// Ties go to the smaller name, so that the same state always routes alike.
function lessLoaded(best: NodeEntry, other: NodeEntry): NodeEntry {
  if (other.loadRequests !== best.loadRequests) {
    return other.loadRequests < best.loadRequests ? other : best;
  }
  return other.link.nodeId < best.link.nodeId ? other : best;
}
