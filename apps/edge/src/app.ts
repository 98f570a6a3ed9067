// The Hono app of the edge: middleware in order, routes mounted, nothing else.
import { Hono } from "hono";
import type { EdgeDependencies, EdgeEnv } from "./edge-context.ts";
import { notFound, onError } from "./errors/to-openai-error.ts";
import { createApiKeyRoute, revokeApiKeyRoute } from "./http/admin-keys.ts";
import { createTenantRoute, tenantUsageRoute } from "./http/admin-tenants.ts";
import { chatCompletionsRoute } from "./http/chat-completions.ts";
import { completionsRoute } from "./http/completions.ts";
import { embeddingsRoute } from "./http/embeddings.ts";
import { adminFairShareRoute, ownFairShareRoute } from "./http/fair-share.ts";
import { healthRoute, readyRoute } from "./http/health.ts";
import { methodNotAllowed } from "./http/method-not-allowed.ts";
import { listModelsRoute, retrieveModelRoute } from "./http/models.ts";
import { responseHead } from "./http/response-head.ts";
import { ownUsageRoute } from "./http/usage.ts";

const ADMIN = "/v1/fairlane/admin/tenants";
const ADMIN_FAIR_SHARE = "/v1/fairlane/admin/fair-share";

/** The whole public API of the edge. */
export function createApp(deps: EdgeDependencies): Hono<EdgeEnv> {
  const app = new Hono<EdgeEnv>();
  app.onError(onError);
  app.notFound(notFound);
  app.use(responseHead(deps));

  app.get("/health", healthRoute());
  app.get("/ready", readyRoute(deps));

  app.post("/v1/chat/completions", chatCompletionsRoute(deps));
  app.post("/v1/completions", completionsRoute(deps));
  app.post("/v1/embeddings", embeddingsRoute(deps));
  app.get("/v1/models", listModelsRoute(deps));
  app.get("/v1/models/:model{.+}", retrieveModelRoute(deps));
  app.get("/v1/fairlane/usage", ownUsageRoute(deps));
  app.get("/v1/fairlane/fair-share", ownFairShareRoute(deps));

  app.get(ADMIN_FAIR_SHARE, adminFairShareRoute(deps));
  app.post(ADMIN, createTenantRoute(deps));
  app.get(`${ADMIN}/:tenant/usage`, tenantUsageRoute(deps));
  app.post(`${ADMIN}/:tenant/keys`, createApiKeyRoute(deps));
  app.delete(`${ADMIN}/:tenant/keys/:key`, revokeApiKeyRoute(deps));

  // What is left of a path that exists takes another method.
  for (const path of [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    ADMIN,
    `${ADMIN}/:tenant/keys`,
  ]) {
    app.all(path, methodNotAllowed("POST"));
  }
  for (const path of ["/health", "/ready", "/v1/models", "/v1/models/:model{.+}"]) {
    app.all(path, methodNotAllowed("GET, HEAD"));
  }
  for (const path of ["/v1/fairlane/usage", `${ADMIN}/:tenant/usage`]) {
    app.all(path, methodNotAllowed("GET, HEAD"));
  }
  for (const path of ["/v1/fairlane/fair-share", ADMIN_FAIR_SHARE]) {
    app.all(path, methodNotAllowed("GET, HEAD"));
  }
  app.all(`${ADMIN}/:tenant/keys/:key`, methodNotAllowed("DELETE"));
  return app;
}
