// Owns the two doors of everything that is managed about a tenant: its own, at /v1/fairlane/..., for callers with a
// scope, and the operator's, at /v1/fairlane/admin/tenants/{tenant}/.... One handler serves both, so that what is
// checked behind the door is checked once.
import { isId } from "@fairlane/base";
import { AppError, type Caller, type Scope } from "@fairlane/protocol";
import { authorize, authorizeOperator } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { existingTenant, livingTenant } from "../http/admin-tenants.ts";
import type { Route, RouteDocs } from "./route.ts";

const OWN = "/v1/fairlane";
const OPERATED = "/v1/fairlane/admin/tenants/:tenant";

export interface ManagedRoute {
  readonly method: Route["method"];
  /** Below both doors: `/keys/:key`. */
  readonly path: string;
  readonly scope: Scope;
  readonly docs: Omit<RouteDocs, "tag">;
  /** True when the operator does not have to name a registered tenant: what must work while D1 is away. */
  readonly isWithoutRegister?: boolean;
  readonly handler: (context: EdgeContext, caller: Caller) => Promise<Response>;
}

/** The routes of both doors. */
export function managedRoutes(
  deps: EdgeDependencies,
  tag: string,
  routes: readonly ManagedRoute[],
): readonly Route[] {
  return routes.flatMap((route) => [ownRoute(deps, tag, route), operatedRoute(deps, route)]);
}

function ownRoute(deps: EdgeDependencies, tag: string, route: ManagedRoute): Route {
  const { method, path, scope, docs, handler } = route;
  return {
    method,
    path: `${OWN}${path}`,
    access: { scope },
    docs: { ...docs, tag },
    handler: async (context) => handler(context, (await authorize(context, deps, scope)).caller),
  };
}

function operatedRoute(deps: EdgeDependencies, route: ManagedRoute): Route {
  const { method, path, docs, isWithoutRegister = false, handler } = route;
  return {
    method,
    path: `${OPERATED}${path}`,
    access: "admin",
    docs: { ...docs, tag: "Operation" },
    handler: async (context) => {
      const tenantId = context.req.param("tenant") ?? "";
      const caller = await authorizeOperator(context, deps, tenantId);
      if (!isId("ten", tenantId)) {
        throw new AppError("not_found", "No tenant has this id.", { param: "tenant" });
      }
      if (method === "GET") await existingTenant(deps, tenantId);
      else if (!isWithoutRegister) await livingTenant(deps, tenantId);
      return handler(context, caller);
    },
  };
}
