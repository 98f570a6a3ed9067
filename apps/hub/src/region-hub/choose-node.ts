// E4, route: which node gets a request: of those that serve the model and take work the one with the smallest estimated
// cost. A node that has the prompt's beginning keeps getting its like until its queue costs more than the cache saves; one
// in a hundred such requests goes elsewhere, so that a hot beginning comes to be on more nodes than one. Pure.
import { cachedTokens, costMs, type PromptFacts } from "./node-cost.ts";
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
    readonly prompt: PromptFacts;
    /** Another node than the cheapest is to come to know a cached beginning. */
    readonly explores: boolean;
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
  const candidates = open.filter(({ link }) => !refusedBy.has(link.nodeId));
  const ranked = rank(candidates, wanted.prompt);
  const [best, second] = ranked;
  if (best === undefined) return { kind: "all_refused" };
  const isSticky = cachedTokens(best, wanted.prompt) > 0;
  const explores = isSticky && second !== undefined && wanted.explores;
  return { kind: "node", node: explores ? second : best };
}

// Of equal cost the one that has waited longest for a prompt of its own, so that cold prompts spread; then the smaller name,
// so that the same state always routes alike.
function rank(nodes: readonly NodeEntry[], prompt: PromptFacts): readonly NodeEntry[] {
  return nodes
    .map((node) => ({ node, cost: costMs(node, prompt) }))
    .sort(
      (one, other) =>
        one.cost - other.cost ||
        one.node.lastColdTurn - other.node.lastColdTurn ||
        (one.node.link.nodeId < other.node.link.nodeId ? -1 : 1),
    )
    .map(({ node }) => node);
}
