// Owns what the audit log is told of a request: who, what, when, from where.
import { newId } from "@fairlane/base";
import { appendAudit, type AuditAction, type AuditDetails, type AuditEntry } from "@fairlane/db";
import type { Caller } from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { clientAddress } from "./client-address.ts";

/** Something that this caller did. `details` hold no secret. */
export interface AuditedDeed {
  readonly caller: Pick<Caller, "actor"> & { readonly tenantId: string | null };
  readonly action: AuditAction;
  readonly target: string;
  readonly details?: AuditDetails;
}

/** Writes the entry of a deed that is in no batch of the control database. */
export async function audited(
  context: EdgeContext,
  deps: EdgeDependencies,
  done: AuditedDeed,
): Promise<void> {
  await appendAudit(deps.controlDb, auditEntry(context, deps, done));
}

/** The entry of a deed, for one batch with it. */
export function auditEntry(
  context: EdgeContext,
  deps: EdgeDependencies,
  done: AuditedDeed,
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
