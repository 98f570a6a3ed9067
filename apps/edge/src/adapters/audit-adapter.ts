// Owns telling the audit log what a key did with an adapter, once it is done.
import { appendAudit, type AuditAction, type AuditDetails } from "@fairlane/db";
import type { Principal } from "@fairlane/protocol";
import { auditEntry } from "../auth/audit-entry.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";

/** Appends an entry. */
export async function auditAdapter(
  context: EdgeContext,
  deps: EdgeDependencies,
  done: {
    readonly by: Pick<Principal, "tenantId" | "keyId">;
    readonly action: Extract<AuditAction, `adapter.${string}`>;
    readonly adapterId: string;
    readonly details?: AuditDetails;
  },
): Promise<void> {
  const { by, action, adapterId: target, details = {} } = done;
  const caller = { tenantId: by.tenantId, actor: { kind: "key", id: by.keyId } } as const;
  await appendAudit(deps.controlDb, auditEntry(context, deps, { caller, action, target, details }));
}
