// Owns which nodes are linked to this shard, what they serve and how loaded they are. Invariant: a node has at
// most one link here, the one with the newest epoch; of two with the same epoch the later one.
import { assert } from "@fairlane/base";
import type {
  AdapterResidency,
  AdapterTier,
  HeartbeatFrame,
  HelloFrame,
  ModelCard,
} from "@fairlane/protocol";
import { EXPLORE_EVERY_REQUESTS, LINKS_MAX, NODE_PREFIXES_MAX } from "../limits.ts";
import { cachedTokens, uncachedTokens, type NodeState, type PromptFacts } from "./node-cost.ts";
import type { NodeLink } from "./node-link.ts";

/** A linked node as routing sees it. */
export interface NodeEntry extends NodeState {
  readonly link: NodeLink;
  readonly hello: HelloFrame;
  /** Requests running or waiting at the node: its last heartbeat, plus what was submitted and less what ended since. */
  loadRequests: number;
  /** The same of prompt tokens that are not computed. */
  queuedTokens: number;
  prefillTokensPerS: number | undefined;
  /** At most NODE_PREFIXES_MAX. */
  prefixes: Set<string>;
  /** Number of the newest prompt of which it had nothing, over all nodes of the shard. */
  lastColdTurn: number;
  isDraining: boolean;
  /** Where the node has which adapter, by digest; at most HEARTBEAT_ADAPTERS_MAX. */
  adapters: ReadonlyMap<string, AdapterTier>;
}

export class NodeDirectory {
  readonly #nodes = new Map<string, NodeEntry>();
  #turn = 0;
  #digestedPrompts = 0;

  get count(): number {
    return this.#nodes.size;
  }

  get nodes(): readonly NodeEntry[] {
    return [...this.#nodes.values()];
  }

  /** Why a node that greets so is not taken, if it is not. */
  refusalOf(hello: HelloFrame): string | undefined {
    const known = this.#nodes.get(hello.node_id);
    if (known && known.hello.epoch > hello.epoch) {
      return `epoch ${hello.epoch} is older than the linked ${known.hello.epoch}`;
    }
    if (known || this.#nodes.size < LINKS_MAX) return undefined;
    return `the shard has ${LINKS_MAX} links already`;
  }

  /** Adds a link that was not refused; returns the one it replaces, which the caller closes. */
  add(link: NodeLink, hello: HelloFrame): NodeLink | undefined {
    assert(this.refusalOf(hello) === undefined, `link of ${link.nodeId} was to be refused`);
    const replaced = this.#nodes.get(link.nodeId)?.link;
    this.#nodes.set(link.nodeId, {
      ...{ link, hello, isDraining: false, loadRequests: 0, queuedTokens: 0, lastColdTurn: 0 },
      prefillTokensPerS: undefined,
      prefixes: new Set(),
      adapters: new Map(),
    });
    return replaced;
  }

  /** Takes a link out; false when it was replaced before or never added. */
  remove(link: NodeLink): boolean {
    return this.#nodes.get(link.nodeId)?.link === link && this.#nodes.delete(link.nodeId);
  }

  /** Takes over what a node says of itself; true when it takes work again after draining. */
  heartbeat(link: NodeLink, frame: HeartbeatFrame): boolean {
    const entry = this.#nodes.get(link.nodeId);
    if (entry?.link !== link) return false;
    const isBack = entry.isDraining && !frame.draining;
    entry.loadRequests = frame.load.running + frame.load.waiting;
    entry.isDraining = frame.draining;
    entry.queuedTokens = frame.load.queued_tokens ?? 0;
    entry.prefillTokensPerS = frame.load.prefill_tokens_per_s;
    if (frame.prefixes !== undefined) entry.prefixes = new Set(frame.prefixes);
    if (frame.adapters !== undefined) {
      entry.adapters = new Map(frame.adapters.map(({ digest, tier }) => [digest, tier]));
    }
    return isBack;
  }

  /** True for one prompt with digests in EXPLORE_EVERY_REQUESTS. */
  get explores(): boolean {
    return this.#digestedPrompts % EXPLORE_EVERY_REQUESTS === EXPLORE_EVERY_REQUESTS - 1;
  }

  /** Notes what a node was given, until its next heartbeat says it better. */
  placed(entry: NodeEntry, prompt: PromptFacts): void {
    entry.loadRequests += 1;
    if (prompt.digests.length > 0) this.#digestedPrompts += 1;
    entry.queuedTokens += uncachedTokens(entry, prompt);
    if (cachedTokens(entry, prompt) === 0) entry.lastColdTurn = this.#turn += 1;
    if (entry.prefixes.size > NODE_PREFIXES_MAX) entry.prefixes.clear();
    for (const digest of prompt.digests) entry.prefixes.add(digest);
  }

  /** A request of the node's is over, which its next heartbeat will say too: a node without any has nothing queued. */
  ended(link: NodeLink): void {
    const entry = this.#nodes.get(link.nodeId);
    if (entry?.link !== link) return;
    entry.loadRequests = Math.max(0, entry.loadRequests - 1);
    if (entry.loadRequests === 0) entry.queuedTokens = 0;
  }

  /** Which node has which of these adapters, and where. */
  residency(digests: readonly string[]): readonly AdapterResidency[] {
    return [...this.#nodes.values()].flatMap(({ link, adapters }) =>
      digests.flatMap((digest) => {
        const tier = adapters.get(digest);
        return tier === undefined ? [] : [{ nodeId: link.nodeId, digest, tier }];
      }),
    );
  }

  /** The models that linked nodes serve, by id. */
  models(): readonly ModelCard[] {
    const cards = new Map<string, ModelCard>();
    for (const { hello } of this.#nodes.values()) {
      for (const model of hello.models) {
        if (cards.has(model.id)) continue;
        cards.set(model.id, {
          id: model.id,
          createdSeconds: model.created_seconds,
          contextTokens: model.context_tokens,
          outputTokensDefault: model.default_max_output_tokens,
        });
      }
    }
    return [...cards.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
  }
}
