// Views of a tenant's keys, through either door: from the register, with the last use from the account. A key that
// manages keys sees those of its project.
import { findApiKey, listApiKeys } from "@fairlane/db";
import type { Caller, TenantAccountRpc } from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { keyBody, unknownKey } from "./key-answers.ts";
import { pageBody, parsePageQuery } from "./page-query.ts";
import { writeAccount } from "./write-account.ts";

/** GET .../keys */
export function listKeys(deps: EdgeDependencies) {
  return async (context: EdgeContext, caller: Caller): Promise<Response> => {
    const { limit, after } = parsePageQuery(context);
    const { tenantId } = caller;
    const projectId = caller.manager?.projectId;
    const [rows, usedAt] = await Promise.all([
      listApiKeys(deps.controlDb, { tenantId, projectId, afterId: after, keysMax: limit + 1 }),
      keyUses(context, deps, tenantId),
    ]);
    const bodies = rows.map((row) => ({ ...keyBody(row), last_used_at_ms: usedAt(row.id) }));
    return Response.json(pageBody(bodies, limit));
  };
}

/** GET .../keys/{key} */
export function retrieveKey(deps: EdgeDependencies) {
  return async (context: EdgeContext, caller: Caller): Promise<Response> => {
    const keyId = context.req.param("key") ?? "";
    const { tenantId, manager } = caller;
    const row = await findApiKey(deps.controlDb, tenantId, keyId);
    if (!row || (manager && manager.projectId !== row.projectId)) throw unknownKey();
    const usedAt = await keyUses(context, deps, tenantId);
    return Response.json({ ...keyBody(row), last_used_at_ms: usedAt(keyId) });
  };
}

/** When keys were last used, to the hour, by id. */
async function keyUses(context: EdgeContext, deps: EdgeDependencies, tenantId: string) {
  const read = (account: TenantAccountRpc) => account.keyUses();
  const uses = await writeAccount(context, deps, { tenantId, write: read });
  const byKey = new Map(uses.map(({ keyId, lastUsedMs }) => [keyId, lastUsedMs]));
  return (keyId: string): number | null => byKey.get(keyId) ?? null;
}
