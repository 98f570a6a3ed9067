// Owns what the hub is told of an admitted request besides its body.
import type { HubRequest, Principal } from "@fairlane/protocol";
import type { EdgeContext } from "../edge-context.ts";

/** Who asks, at which prices, under which grant, and until when. */
export function hubTerms(
  context: EdgeContext,
  principal: Principal,
  deadlineMs: number,
): Omit<HubRequest, "body"> {
  const grant = context.get("grant");
  return {
    ...(grant === null ? {} : { grant }),
    requestId: context.get("requestId"),
    tenantId: principal.tenantId,
    projectId: principal.projectId,
    keyId: principal.keyId,
    tenantSalt: principal.tenantSalt,
    weight: principal.weight,
    tier: "interactive",
    priceVersion: principal.priceVersion,
    createdMs: context.get("startedMs"),
    deadlineMs,
  };
}
