// Management of a tenant's keys, through either door: make (its text is shown in this answer and never
// again) and change. A key that manages keys reaches those of its project only, within its own terms. The account is
// authoritative and written first, then the register together with the audit log.
import {
  changeApiKey,
  createApiKey,
  findDefaultProject,
  findProject,
  type Project,
} from "@fairlane/db";
import {
  AppError,
  protocolLimits,
  widerTerm,
  type Caller,
  type TenantAccountRpc,
} from "@fairlane/protocol";
import { z } from "zod";
import { issueApiKey } from "../auth/api-key.ts";
import { auditEntry } from "../auth/audit-entry.ts";
import { keyTermFields, keyTermsOf, OPEN_TERMS } from "../auth/key-terms.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { keyBody, keyRefusal, newKeyAnswer, unknownKey, widerTermRefusal } from "./key-answers.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { writeAccount } from "./write-account.ts";

const keyName = z.string().min(1).max(protocolLimits.NAME_CHARS_MAX);

/** Body of a new key. */
export const newKey = z.strictObject({
  name: keyName.default("default"),
  project_id: z.string().max(protocolLimits.NAME_CHARS_MAX).optional(),
  scopes: keyTermFields.scopes.default(["inference", "usage:read"]),
  allowed_models: keyTermFields.allowed_models.default(null),
  allowed_adapters: keyTermFields.allowed_adapters.default(null),
  allowed_ips: keyTermFields.allowed_ips.default(null),
  expires_at_ms: keyTermFields.expires_at_ms.default(null),
});

/** Body of a change of a key; what is absent stays. */
export const changedKey = z.strictObject({ name: keyName, ...keyTermFields }).partial();

/** POST .../keys */
export function createKey(deps: EdgeDependencies) {
  return async (context: EdgeContext, caller: Caller): Promise<Response> => {
    const wanted = await parseAdminBody(context.req.raw, newKey);
    checkExpiry(deps, wanted.expires_at_ms);
    const { tenantId, manager } = caller;
    const terms = { ...OPEN_TERMS, ...keyTermsOf(wanted) };
    const term = manager && widerTerm(terms, manager);
    if (term) throw widerTermRefusal(term);
    const project = await projectOf(deps, caller, wanted.project_id);
    const { name } = wanted;
    const issued = await issueApiKey(deps, { tenantId, projectId: project.id, name, terms });
    const write = (account: TenantAccountRpc) => account.putKey(issued.record);
    if (!(await writeAccount(context, deps, { tenantId, write }))) {
      throw keyRefusal({ ok: false, reason: "too_many" });
    }
    const details = { name, project_id: project.id, ...terms };
    const done = { caller, action: "key.created", target: issued.row.id, details } as const;
    await createApiKey(deps.controlDb, issued.row, auditEntry(context, deps, done));
    return newKeyAnswer(issued.row, issued.text);
  };
}

/** PATCH .../keys/{key}: what the body names changes at once, the rest stays. */
export function changeKey(deps: EdgeDependencies) {
  return async (context: EdgeContext, caller: Caller): Promise<Response> => {
    const keyId = context.req.param("key") ?? "";
    const { tenantId, manager } = caller;
    const { name, ...rest } = await parseAdminBody(context.req.raw, changedKey);
    checkExpiry(deps, rest.expires_at_ms ?? null);
    const terms = keyTermsOf(rest);
    const write = (account: TenantAccountRpc) => account.changeKey(keyId, terms, manager);
    const outcome = await writeAccount(context, deps, { tenantId, write });
    if (!outcome.ok) throw keyRefusal(outcome);
    const { scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs } = outcome.key;
    const now = { scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs };
    const change = name === undefined ? now : { ...now, name };
    const details = name === undefined ? terms : { ...terms, name };
    const done = { caller, action: "key.changed", target: keyId, details } as const;
    const audit = auditEntry(context, deps, done);
    const row = await changeApiKey(deps.controlDb, { tenantId, keyId, change }, audit);
    if (!row) throw unknownKey();
    return Response.json(keyBody(row));
  };
}

function checkExpiry(deps: EdgeDependencies, expiresAtMs: number | null): void {
  if (expiresAtMs === null || expiresAtMs > deps.clock.nowMs()) return;
  const message = "Invalid 'expires_at_ms': the time has passed already.";
  throw new AppError("invalid_value", message, { param: "expires_at_ms" });
}

async function projectOf(
  deps: EdgeDependencies,
  { tenantId, manager }: Caller,
  wantedId: string | undefined,
): Promise<Project> {
  const projectId = wantedId ?? manager?.projectId;
  const isForeign = manager !== null && projectId !== manager.projectId;
  const project =
    projectId === undefined
      ? await findDefaultProject(deps.controlDb, tenantId)
      : await findProject(deps.controlDb, tenantId, projectId);
  if (project && !isForeign) return project;
  throw new AppError("not_found", "This tenant has no such project.", { param: "project_id" });
}
