// Owns what a request under a hard budget may compute until it is granted more. The number lives with the request's spec,
// shared by all answers to it, so that whoever plans or ends rows reads one place. Invariant: a grant never shrinks.
import type { EngineRequest } from "../engine/worker-messages.ts";

/** Output tokens that each answer may have until more are granted. */
export interface OutputGrant {
  tokens: number;
}

/** Lets requests have more output; ids that are unknown are those that ended meanwhile. */
export function raiseGrants(
  table: { get(id: string): { readonly spec: EngineRequest } | undefined },
  ids: readonly string[],
  outputTokens: number,
): void {
  for (const id of ids) {
    const grant = table.get(id)?.spec.grant;
    if (grant) grant.tokens = Math.max(grant.tokens, outputTokens);
  }
}
