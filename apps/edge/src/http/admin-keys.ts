// Administration of a tenant's keys: make one (its text is shown in this answer and never again) and revoke one.
// The account is authoritative and written first, then the register.
import { isId } from "@fairlane/base";
import {
  createApiKey,
  findDefaultProject,
  findProject,
  markApiKeyRevoked,
  type Project,
} from "@fairlane/db";
import { AppError, protocolLimits, type TenantAccountRpc } from "@fairlane/protocol";
import { z } from "zod";
import { issueApiKey, type IssuedApiKey } from "../auth/api-key.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { existingTenant } from "./admin-tenants.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { writeAccount } from "./write-account.ts";

const scope = z.enum(["inference", "usage:read", "keys:write"]);

/** Body of a new key. */
export const newKey = z.strictObject({
  name: z.string().min(1).max(protocolLimits.NAME_CHARS_MAX).default("default"),
  project_id: z.string().max(protocolLimits.NAME_CHARS_MAX).optional(),
  scopes: z.array(scope).min(1).max(scope.options.length).default(["inference", "usage:read"]),
  expires_at_ms: z.int().min(1).nullable().default(null),
});

/** POST /v1/fairlane/admin/tenants/{tenant}/keys */
export function createApiKeyRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenant = await existingTenant(deps, context.req.param("tenant") ?? "");
    const wanted = await parseAdminBody(context.req.raw, newKey);
    if (wanted.expires_at_ms !== null && wanted.expires_at_ms <= deps.clock.nowMs()) {
      const message = "Invalid 'expires_at_ms': the time has passed already.";
      throw new AppError("invalid_value", message, { param: "expires_at_ms" });
    }
    const project = await projectOf(deps, tenant.id, wanted.project_id);
    const issued = await issueApiKey(deps, {
      tenantId: tenant.id,
      projectId: project.id,
      name: wanted.name,
      scopes: [...new Set(wanted.scopes)],
      expiresAtMs: wanted.expires_at_ms,
    });
    const write = (account: TenantAccountRpc) => account.putKey(issued.record);
    if (!(await writeAccount(context, deps, { tenantId: tenant.id, write }))) {
      const message = "The tenant has as many live keys as it may. Revoke one first.";
      throw new AppError("too_many_keys", message);
    }
    await createApiKey(deps.controlDb, issued.row);
    // The answer holds a secret: no cache on the way may keep it.
    const headers = { "cache-control": "no-store" };
    return Response.json(keyBody(issued), { status: 201, headers });
  };
}

/** DELETE /v1/fairlane/admin/tenants/{tenant}/keys/{key}: effective before it answers; may be repeated. */
export function revokeApiKeyRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenantId = context.req.param("tenant") ?? "";
    const keyId = context.req.param("key") ?? "";
    // The register is not asked first: a key must be revocable while D1 is away.
    const isKnown =
      isId("ten", tenantId) &&
      isId("key", keyId) &&
      (await writeAccount(context, deps, {
        tenantId,
        write: (account) => account.revokeKey(keyId),
      }));
    if (!isKnown) {
      throw new AppError("not_found", "This tenant has no key with this id.", { param: "key" });
    }
    await markApiKeyRevoked(deps.controlDb, { tenantId, keyId }, deps.clock.nowMs());
    return Response.json({ object: "fairlane.api_key", id: keyId, revoked: true });
  };
}

async function projectOf(
  deps: EdgeDependencies,
  tenantId: string,
  projectId: string | undefined,
): Promise<Project> {
  const project =
    projectId === undefined
      ? await findDefaultProject(deps.controlDb, tenantId)
      : await findProject(deps.controlDb, tenantId, projectId);
  if (project) return project;
  throw new AppError("not_found", "This tenant has no such project.", { param: "project_id" });
}

function keyBody({ row, text }: IssuedApiKey) {
  return {
    object: "fairlane.api_key",
    id: row.id,
    key: text,
    tenant_id: row.tenantId,
    project_id: row.projectId,
    name: row.name,
    last_chars: row.lastChars,
    scopes: row.scopes,
    expires_at_ms: row.expiresAtMs,
    created_at_ms: row.createdAtMs,
  };
}
