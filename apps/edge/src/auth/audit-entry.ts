// Owns what the audit log is told of a request: who, what, when, from where.
import { newId } from "@fairlane/base";
import type { AuditAction, AuditDetails, AuditEntry } from "@fairlane/db";
import type { Caller } from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { clientAddress } from "./client-address.ts";

/** The entry for something that this caller did. `details` hold no secret. */
export function auditEntry(
  context: EdgeContext,
  deps: EdgeDependencies,
  done: {
    readonly caller: Pick<Caller, "actor"> & { readonly tenantId: string | null };
    readonly action: AuditAction;
    readonly target: string;
    readonly details?: AuditDetails;
  },
): AuditEntry {
  const { caller, action, target, details = {} } = done;
  return {
    id: newId("aud", deps.clock, deps.random),
    atMs: deps.clock.nowMs(),
    tenantId: caller.tenantId,
    actorKind: caller.actor.kind,
    actorId: caller.actor.id,
    action,
    target,
    ip: clientAddress(context.req.raw.headers, deps.config.clientAddress) ?? null,
    requestId: context.get("requestId"),
    details,
  };
}
