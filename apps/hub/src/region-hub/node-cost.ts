// Owns what a request costs on a node in estimated time: prompts that wait there, the part of its own prompt that is not
// cached there, the requests that share its steps, and an adapter that is not resident. All but the adapter is counted in
// tokens and divided by the node's measured rate. Pure.
import { protocolLimits, type AdapterTier } from "@fairlane/protocol";

/** What routing knows of a node: its last heartbeat, and what was submitted to it since. */
export interface NodeState {
  /** Requests running or waiting. */
  readonly loadRequests: number;
  /** Prompt tokens that wait to be computed. */
  readonly queuedTokens: number;
  /** Prompt tokens a second; undefined: not measured yet. */
  readonly prefillTokensPerS: number | undefined;
  /** Digests of beginnings of prompts that its cache may have. */
  readonly prefixes: ReadonlySet<string>;
  readonly adapters: ReadonlyMap<string, AdapterTier>;
}

/** What routing knows of a request. */
export interface PromptFacts {
  /** Of the prompt, estimated from its characters. */
  readonly promptTokens: number;
  /** Of its first 1, 2, ... chunks. */
  readonly digests: readonly string[];
  readonly adapter: { readonly digest: string; readonly bytes: number } | undefined;
}

/** Characters of a token, roughly. */
export const CHARS_PER_TOKEN = 4;
/** What a request that runs or waits adds to the steps of another, in prompt tokens: its decodes share them. */
const REQUEST_TOKENS = 64;
/** Of a node that has not computed a prompt yet. */
const PREFILL_TOKENS_PER_S_DEFAULT = 1_000;
/** Bytes a millisecond from where an adapter lies, and what it costs to begin. */
const ADAPTER_LOAD = {
  device: { startMs: 0, bytesPerMs: Infinity },
  host: { startMs: 1, bytesPerMs: 5_000_000 },
  disk: { startMs: 5, bytesPerMs: 1_000_000 },
  /** Pulled from the hub. */
  absent: { startMs: 200, bytesPerMs: 50_000 },
} as const;

/** Prompt tokens that the node's cache may have: of the longest beginning that it names. */
export function cachedTokens(
  { prefixes }: NodeState,
  { digests, promptTokens }: PromptFacts,
): number {
  const chunkTokens = protocolLimits.PREFIX_CHUNK_CHARS / CHARS_PER_TOKEN;
  const chunks = digests.findLastIndex((digest) => prefixes.has(digest)) + 1;
  return Math.min(promptTokens, chunks * chunkTokens);
}

/** Prompt tokens that the node would have to compute for it. */
export function uncachedTokens(node: NodeState, prompt: PromptFacts): number {
  return prompt.promptTokens - cachedTokens(node, prompt);
}

/** Estimated milliseconds until the request has its first token there. */
export function costMs(node: NodeState, prompt: PromptFacts): number {
  const { queuedTokens, loadRequests, prefillTokensPerS } = node;
  const tokens = queuedTokens + loadRequests * REQUEST_TOKENS + uncachedTokens(node, prompt);
  const rate = prefillTokensPerS ?? PREFILL_TOKENS_PER_S_DEFAULT;
  return (tokens / rate) * 1_000 + adapterLoadMs(node, prompt.adapter);
}

/** True when the cheapest node, by what it measured itself, would begin the answer only after the request's time. */
export function isHopeless(node: NodeState, prompt: PromptFacts, leftMs: number): boolean {
  return node.prefillTokensPerS !== undefined && costMs(node, prompt) > leftMs;
}

function adapterLoadMs({ adapters }: NodeState, adapter: PromptFacts["adapter"]): number {
  if (adapter === undefined) return 0;
  const { startMs, bytesPerMs } = ADAPTER_LOAD[adapters.get(adapter.digest) ?? "absent"];
  return startMs + adapter.bytes / bytesPerMs;
}
