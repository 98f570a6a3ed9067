// Owns the question whether a request ends with the token just sampled. Stop strings need text and are the main
// thread's. Invariant: a request never passes its output maximum, and prompt plus output never pass the context.
import type { RunningRequest } from "./request.ts";

/**
 * Says how the request ends with `token`, which its output count already includes.
 * @returns null while it goes on; "stop" wins where both hold
 */
export function stopReason(request: RunningRequest, token: number): "stop" | "length" | null {
  if (request.spec.stopTokenIds.includes(token)) return "stop";
  // The maximum was cut to the context when the request was queued, so this is the context's end as well.
  if (request.outputTokens >= request.outputTokensMax) return "length";
  const { grant } = request.spec;
  if (grant === undefined || request.outputTokens < grant.tokens) return null;
  // What may be granted more waits (grant-waits.ts).
  return grant.mayGrow === true ? null : "length";
}

/** Whether the request may have more than so many output tokens now: by its maximum and by what it is granted so far. */
export function hasOutputLeft({ outputTokensMax, spec }: RunningRequest, tokens: number): boolean {
  return tokens < outputTokensMax && (spec.grant === undefined || tokens < spec.grant.tokens);
}

/** The output maximum that a context leaves after a prompt; 0 or less when it leaves nothing. */
export function outputTokensMaxOf(options: {
  readonly askedTokens: number;
  readonly promptTokens: number;
  readonly contextTokens: number;
}): number {
  return Math.min(options.askedTokens, options.contextTokens - options.promptTokens);
}
