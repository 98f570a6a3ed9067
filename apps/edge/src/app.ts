// The Hono app of the edge: middleware in order, routes mounted, nothing else.
import { Hono } from "hono";
import type { EdgeDependencies, EdgeEnv } from "./edge-context.ts";
import { notFound, onError } from "./errors/to-openai-error.ts";
import { messageErrors } from "./http/message-errors.ts";
import { responseHead } from "./http/response-head.ts";
import { allRoutes } from "./routes/all-routes.ts";
import { mountRoutes } from "./routes/mount-routes.ts";

/** The whole public API of the edge. */
export function createApp(deps: EdgeDependencies): Hono<EdgeEnv> {
  const app = new Hono<EdgeEnv>();
  app.onError(onError);
  app.notFound(notFound);
  app.use(responseHead(deps));
  app.use("/v1/messages/*", messageErrors());
  mountRoutes(app, allRoutes(deps));
  return app;
}
