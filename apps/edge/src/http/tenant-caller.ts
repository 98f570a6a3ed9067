// Owns letting a tenant's key at what computes nothing: authenticated, admitted with the scope, counted, no hold.
import type { Principal, Scope } from "@fairlane/protocol";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";

/** The verified caller; throws the refusal. */
export async function tenantCaller(
  context: EdgeContext,
  deps: EdgeDependencies,
  scope: Scope,
): Promise<Principal> {
  const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);
  return admit(context, deps, { claim, scope, hold: null });
}
