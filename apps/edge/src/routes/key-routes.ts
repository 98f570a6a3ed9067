// The routes with which keys are managed, and the audit log of what was administered.
import type { EdgeDependencies } from "../edge-context.ts";
import { tenantAuditLog, wholeAuditLogRoute } from "../http/audit-log.ts";
import { keyRotation, revokeKey, rotateKey } from "../http/key-life.ts";
import { listKeys, retrieveKey } from "../http/key-views.ts";
import { changedKey, changeKey, createKey, newKey } from "../http/keys.ts";
import { pageQuery } from "../http/page-query.ts";
import { managedRoutes } from "./managed-route.ts";
import type { Route } from "./route.ts";

export function keyRoutes(deps: EdgeDependencies): readonly Route[] {
  return managedRoutes(deps, "Keys", [
    {
      method: "GET",
      path: "/keys",
      scope: "keys:read",
      docs: { summary: "List API keys, without their secrets", query: pageQuery },
      handler: listKeys(deps),
    },
    {
      method: "POST",
      path: "/keys",
      scope: "keys:manage",
      docs: { summary: "Make an API key; its text is shown once", body: newKey, status: 201 },
      handler: createKey(deps),
    },
    {
      method: "GET",
      path: "/keys/:key",
      scope: "keys:read",
      docs: { summary: "Describe one API key" },
      handler: retrieveKey(deps),
    },
    {
      method: "PATCH",
      path: "/keys/:key",
      scope: "keys:manage",
      docs: { summary: "Change what an API key may do", body: changedKey },
      handler: changeKey(deps),
    },
    {
      method: "POST",
      path: "/keys/:key/rotate",
      scope: "keys:manage",
      docs: {
        summary: "Give an API key a successor; both serve until the grace time is over",
        body: keyRotation,
        status: 201,
      },
      handler: rotateKey(deps),
    },
    {
      method: "DELETE",
      path: "/keys/:key",
      scope: "keys:manage",
      docs: { summary: "Revoke an API key at once, with all that runs for it" },
      isWithoutRegister: true,
      handler: revokeKey(deps),
    },
  ]);
}

export function auditRoutes(deps: EdgeDependencies): readonly Route[] {
  const own = managedRoutes(deps, "Account", [
    {
      method: "GET",
      path: "/audit-log",
      scope: "audit:read",
      docs: { summary: "What was administered, newest first", query: pageQuery },
      handler: tenantAuditLog(deps),
    },
  ]);
  const whole: Route = {
    method: "GET",
    path: "/v1/fairlane/admin/audit-log",
    access: "admin",
    docs: { summary: "What was administered at all tenants", tag: "Operation", query: pageQuery },
    handler: wholeAuditLogRoute(deps),
  };
  return [...own, whole];
}
