// The ends of keys, through either door: rotation, after which the old key serves for a grace time, and revocation,
// which is effective before it answers. The account is written first, then the register and the audit log.
import { isId } from "@fairlane/base";
import { findApiKey, markApiKeyRevoked, rotateApiKey } from "@fairlane/db";
import type { Caller, TenantAccountRpc } from "@fairlane/protocol";
import { z } from "zod";
import { issueApiKey } from "../auth/api-key.ts";
import { auditEntry } from "../auth/audit-entry.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { KEY_GRACE_MS_DEFAULT, KEY_GRACE_MS_MAX } from "../limits.ts";
import { keyRefusal, newKeyAnswer, unknownKey } from "./key-answers.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { writeAccount } from "./write-account.ts";

/** Body of a rotation. */
export const keyRotation = z.strictObject({
  grace_ms: z.int().min(0).max(KEY_GRACE_MS_MAX).default(KEY_GRACE_MS_DEFAULT),
});

/** POST .../keys/{key}/rotate: a new secret under a new id; 0 ms of grace revokes the old key at once. */
export function rotateKey(deps: EdgeDependencies) {
  return async (context: EdgeContext, caller: Caller): Promise<Response> => {
    const keyId = context.req.param("key") ?? "";
    const { grace_ms: graceMs } = await parseAdminBody(context.req.raw, keyRotation);
    const { tenantId, manager } = caller;
    const row = await findApiKey(deps.controlDb, tenantId, keyId);
    if (!row) throw unknownKey();
    const { projectId, name } = row;
    const issued = await issueApiKey(deps, { tenantId, projectId, name, terms: row });
    const { keyId: successorId, secretHash } = issued.record;
    const nowMs = deps.clock.nowMs();
    const graceUntilMs = nowMs + graceMs;
    const rotation = { keyId, successor: { keyId: successorId, secretHash }, graceUntilMs };
    const write = (account: TenantAccountRpc) => account.rotateKey(rotation, manager);
    const outcome = await writeAccount(context, deps, { tenantId, write });
    if (!outcome.ok) throw keyRefusal(outcome);
    // The account's terms, which may be newer than the register's.
    const { scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs } = outcome.key;
    const terms = { scopes, allowedModels, allowedAdapters, allowedIps, expiresAtMs };
    const successor = { ...issued.row, ...terms, rotatedFromId: keyId };
    const old = { graceUntilMs, revokedAtMs: graceMs === 0 ? nowMs : null };
    const details = { successor_id: successorId, grace_until_ms: graceUntilMs };
    const done = { caller, action: "key.rotated", target: keyId, details } as const;
    const audit = auditEntry(context, deps, done);
    await rotateApiKey(deps.controlDb, { successor, old }, audit);
    return newKeyAnswer(successor, issued.text);
  };
}

/** DELETE .../keys/{key}; may be repeated. */
export function revokeKey(deps: EdgeDependencies) {
  return async (context: EdgeContext, caller: Caller): Promise<Response> => {
    const keyId = context.req.param("key") ?? "";
    const { tenantId, manager } = caller;
    // The register is not asked first: a key must be revocable while D1 is away.
    const write = (account: TenantAccountRpc) => account.revokeKey(keyId, manager);
    const isKnown = isId("key", keyId) && (await writeAccount(context, deps, { tenantId, write }));
    if (!isKnown) throw unknownKey();
    const audit = auditEntry(context, deps, { caller, action: "key.revoked", target: keyId });
    const revokedAtMs = deps.clock.nowMs();
    await markApiKeyRevoked(deps.controlDb, { tenantId, keyId, revokedAtMs }, audit);
    return Response.json({ object: "fairlane.api_key", id: keyId, revoked: true });
  };
}
