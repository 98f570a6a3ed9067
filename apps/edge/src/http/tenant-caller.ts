// Owns letting a tenant's caller, a key or a session, at what computes nothing: authorised with the scope, counted.
import type { Caller, Scope } from "@fairlane/protocol";
import { authorize } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";

/** The verified caller; throws the refusal. */
export async function tenantCaller(
  context: EdgeContext,
  deps: EdgeDependencies,
  scope: Scope,
): Promise<Caller> {
  return (await authorize(context, deps, scope)).caller;
}
