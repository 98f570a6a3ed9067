// Administration of a tenant's keys: make one (its text is shown in this answer and never again), change, revoke.
// The account is authoritative and written first, then the register.
import { isId } from "@fairlane/base";
import {
  changeApiKey,
  createApiKey,
  findDefaultProject,
  findProject,
  markApiKeyRevoked,
  type ApiKey,
  type Project,
} from "@fairlane/db";
import { AppError, protocolLimits, type KeyTerms, type TenantAccountRpc } from "@fairlane/protocol";
import { z } from "zod";
import { issueApiKey } from "../auth/api-key.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { keyTermFields, keyTermsBody, keyTermsOf } from "../auth/key-terms.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { existingTenant } from "./admin-tenants.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { writeAccount } from "./write-account.ts";

const keyName = z.string().min(1).max(protocolLimits.NAME_CHARS_MAX);

/** Body of a new key. */
export const newKey = z.strictObject({
  name: keyName.default("default"),
  project_id: z.string().max(protocolLimits.NAME_CHARS_MAX).optional(),
  ...keyTermFields,
  scopes: keyTermFields.scopes.default(["inference", "usage:read"]),
  allowed_models: keyTermFields.allowed_models.default(null),
  allowed_adapters: keyTermFields.allowed_adapters.default(null),
  allowed_ips: keyTermFields.allowed_ips.default(null),
  expires_at_ms: keyTermFields.expires_at_ms.default(null),
});

/** Body of a change of a key; what is absent stays. */
export const changedKey = z.strictObject({ name: keyName, ...keyTermFields }).partial();

/** POST /v1/fairlane/admin/tenants/{tenant}/keys */
export function createApiKeyRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenant = await existingTenant(deps, context.req.param("tenant") ?? "");
    const wanted = await parseAdminBody(context.req.raw, newKey);
    checkExpiry(deps, wanted.expires_at_ms);
    const project = await projectOf(deps, tenant.id, wanted.project_id);
    const issued = await issueApiKey(deps, {
      tenantId: tenant.id,
      projectId: project.id,
      name: wanted.name,
      terms: { ...OPEN_TERMS, ...keyTermsOf(wanted) },
    });
    const write = (account: TenantAccountRpc) => account.putKey(issued.record);
    if (!(await writeAccount(context, deps, { tenantId: tenant.id, write }))) {
      const message = "The tenant has as many live keys as it may. Revoke one first.";
      throw new AppError("too_many_keys", message);
    }
    await createApiKey(deps.controlDb, issued.row);
    // The answer holds a secret: no cache on the way may keep it.
    const headers = { "cache-control": "no-store" };
    const body = { ...keyBody(issued.row), key: issued.text };
    return Response.json(body, { status: 201, headers });
  };
}

/** PATCH /v1/fairlane/admin/tenants/{tenant}/keys/{key}: what the body names changes at once, the rest stays. */
export function changeApiKeyRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const tenant = await existingTenant(deps, context.req.param("tenant") ?? "");
    const keyId = context.req.param("key") ?? "";
    const { name, ...rest } = await parseAdminBody(context.req.raw, changedKey);
    checkExpiry(deps, rest.expires_at_ms ?? null);
    const terms = keyTermsOf(rest);
    const write = (account: TenantAccountRpc) => account.changeKey(keyId, terms);
    const outcome = await writeAccount(context, deps, { tenantId: tenant.id, write });
    if (!outcome.ok) {
      if (outcome.reason === "unknown") throw unknownKey();
      throw new AppError("key_revoked", "The key is revoked; make a new one.", { param: "key" });
    }
    const { scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs } = outcome.key;
    const now = { scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs };
    const row = await changeApiKey(
      deps.controlDb,
      { tenantId: tenant.id, keyId },
      name === undefined ? now : { ...now, name },
    );
    if (!row) throw unknownKey();
    return Response.json(keyBody(row));
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
    if (!isKnown) throw unknownKey();
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

const OPEN_TERMS: KeyTerms = {
  scopes: [],
  allowedModels: null,
  allowedAdapters: null,
  allowedIps: null,
  expiresAtMs: null,
};

function checkExpiry(deps: EdgeDependencies, expiresAtMs: number | null): void {
  if (expiresAtMs === null || expiresAtMs > deps.clock.nowMs()) return;
  const message = "Invalid 'expires_at_ms': the time has passed already.";
  throw new AppError("invalid_value", message, { param: "expires_at_ms" });
}

function unknownKey(): AppError {
  return new AppError("not_found", "This tenant has no key with this id.", { param: "key" });
}

function keyBody(row: ApiKey) {
  return {
    object: "fairlane.api_key",
    id: row.id,
    tenant_id: row.tenantId,
    project_id: row.projectId,
    name: row.name,
    last_chars: row.lastChars,
    ...keyTermsBody(row),
    created_at_ms: row.createdAtMs,
  };
}
