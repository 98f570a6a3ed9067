// Owns every bound of the live streams, with unit and reason.
import {
  WAITING_PROMPT_TOKENS_MAX,
  WAITING_REQUESTS_MAX,
  WAITING_REQUESTS_PER_TENANT_MAX,
} from "../limits.ts";

// The scheduler's bounds on what waits, asked before a request is accepted. What lives is at least what waits, so
// the scheduler never has to refuse a request whose acceptance the client has already seen.

/** Live requests of the node. */
export const LIVE_REQUESTS_MAX = WAITING_REQUESTS_MAX;
/** Live requests of one tenant. */
export const LIVE_REQUESTS_PER_TENANT_MAX = WAITING_REQUESTS_PER_TENANT_MAX;
/** Prompt tokens of all live requests. */
export const LIVE_PROMPT_TOKENS_MAX = WAITING_PROMPT_TOKENS_MAX;
/** What a client is told to wait when the node is full: long enough for some request to end. */
export const RETRY_AFTER_FULL_MS = 1_000;

/** From receipt to the first token, for the fluidity index: what a person who waits for an answer hardly notices. */
export const TTFT_DEADLINE_MS = 1_000;
