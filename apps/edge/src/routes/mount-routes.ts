// Owns mounting a list of routes: each handler at its method and path, and a 405 for what is left of a path.
import type { Hono } from "hono";
import type { EdgeEnv } from "../edge-context.ts";
import { methodNotAllowed } from "../http/method-not-allowed.ts";
import type { Route } from "./route.ts";

/** Mounts the routes in the list's order: an earlier path wins over a later pattern that it matches. */
export function mountRoutes(app: Hono<EdgeEnv>, routes: readonly Route[]): void {
  for (const { method, path, handler } of routes) app.on(method, path, handler);
  // Hono answers HEAD with the handler of GET.
  for (const [path, methods] of methodsByPath(routes)) {
    const allowed = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]));
    app.all(path, methodNotAllowed(allowed.join(", ")));
  }
}

function methodsByPath(routes: readonly Route[]): ReadonlyMap<string, readonly string[]> {
  const methods = new Map<string, string[]>();
  for (const { method, path } of routes) {
    const known = methods.get(path);
    if (known === undefined) methods.set(path, [method]);
    else known.push(method);
  }
  return methods;
}
