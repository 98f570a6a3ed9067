// Owns telling the audit log what a caller did with an adapter, once it is done.
import type { AuditAction, AuditDetails } from "@fairlane/db";
import type { Caller } from "@fairlane/protocol";
import { audited } from "../auth/audit-entry.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";

/** Appends an entry. */
export async function auditAdapter(
  context: EdgeContext,
  deps: EdgeDependencies,
  done: {
    readonly by: Caller;
    readonly action: Extract<AuditAction, `adapter.${string}`>;
    readonly adapterId: string;
    readonly details?: AuditDetails;
  },
): Promise<void> {
  const { by: caller, action, adapterId: target, details = {} } = done;
  await audited(context, deps, { caller, action, target, details });
}
