// The routes of the service itself: is it up, and what does it offer.
import type { EdgeDependencies } from "../edge-context.ts";
import { healthRoute, readyRoute } from "../http/health.ts";
import type { Route } from "./route.ts";

const access = "public" as const;
const tag = "Service";

export function publicRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/health",
      access,
      docs: { summary: "Whether the edge runs", tag },
      handler: healthRoute(),
    },
    {
      method: "GET",
      path: "/ready",
      access,
      docs: { summary: "Whether every shard of the region's hub has a node", tag },
      handler: readyRoute(deps),
    },
  ];
}
