// GET /v1/fairlane/audit-log and the operator's view of it: what was administered, newest first, in pages.
import { readAudit, type AuditEntry } from "@fairlane/db";
import type { Caller } from "@fairlane/protocol";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { pageBody, parsePageQuery } from "./page-query.ts";

export function tenantAuditLog(deps: EdgeDependencies) {
  return (context: EdgeContext, caller: Caller) => auditAnswer(context, deps, caller.tenantId);
}

/** GET /v1/fairlane/admin/audit-log: of all tenants. */
export function wholeAuditLogRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    return auditAnswer(context, deps);
  };
}

async function auditAnswer(
  context: EdgeContext,
  deps: EdgeDependencies,
  tenantId?: string,
): Promise<Response> {
  const { limit, after } = parsePageQuery(context);
  const entriesMax = limit + 1;
  const entries = await readAudit(deps.controlDb, { tenantId, beforeId: after, entriesMax });
  return Response.json(pageBody(entries.map(entryBody), limit));
}

function entryBody(entry: AuditEntry) {
  return {
    object: "fairlane.audit_entry",
    id: entry.id,
    at_ms: entry.atMs,
    tenant_id: entry.tenantId,
    actor: { kind: entry.actorKind, id: entry.actorId },
    action: entry.action,
    target: entry.target,
    ip: entry.ip,
    request_id: entry.requestId,
    details: entry.details,
  };
}
