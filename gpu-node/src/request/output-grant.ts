// Owns what a request under a hard budget may compute until it is granted more. The number lives with the request's spec,
// shared by all answers to it, so that whoever plans or ends rows reads one place. Invariant: a grant never shrinks.
import type { EngineRequest } from "../engine/worker-messages.ts";

/** Output tokens that each answer may have until more are granted. */
export interface OutputGrant {
  tokens: number;
  /** More may come: an answer that has as many waits a while instead of ending. Absent: it ends. */
  mayGrow?: boolean | undefined;
}

/** Lets requests have more output; ids that are unknown are those that ended meanwhile. The newest word on growth counts. */
export function raiseGrants(
  table: { get(id: string): { readonly spec: EngineRequest } | undefined },
  ids: readonly string[],
  { tokens, mayGrow = false }: OutputGrant,
): void {
  for (const id of ids) {
    const grant = table.get(id)?.spec.grant;
    if (!grant) continue;
    grant.tokens = Math.max(grant.tokens, tokens);
    grant.mayGrow = mayGrow;
  }
}
