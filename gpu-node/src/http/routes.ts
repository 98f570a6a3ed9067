// Owns the table of the node's routes: which handler answers which path, and which of them want the API key.
import type { Readiness } from "../fleet/readiness.ts";
import type { AdapterLibrary } from "../adapters/adapter-library.ts";
import { loadAdapter, unloadAdapter } from "./adapters.ts";
import { makeAuthorize } from "./authorize.ts";
import { chatCompletions, type ChatParts } from "./chat-completions.ts";
import { completions } from "./completions.ts";
import { embeddings } from "./embeddings.ts";
import { health, ready } from "./health.ts";
import type { NodeMetrics } from "./metrics.ts";
import { JsonBodyReader } from "./read-json-body.ts";
import { listModels, retrieveModel } from "./models.ts";
import type { Handler, Route } from "./router.ts";

export interface RouteParts extends Omit<ChatParts, "refusal" | "bodies" | "adapters"> {
  readonly readiness: Readiness;
  readonly metrics: NodeMetrics;
  readonly adapters: () => AdapterLibrary | null;
  /** Adapters are loaded at run time from folders in it; undefined: not at all. */
  readonly adapterFolder: string | undefined;
  /** Wanted on /v1 routes when set. */
  readonly apiKey: string | undefined;
}

/** All routes of the node. */
export function nodeRoutes(parts: RouteParts): readonly Route[] {
  const { readiness, metrics, model, adapters, apiKey } = parts;
  const authorize = makeAuthorize(apiKey);
  const withKey =
    (handler: Handler): Handler =>
    async (exchange, argument) => {
      await authorize(exchange.request.headers.authorization);
      await handler(exchange, argument);
    };
  const bodies = new JsonBodyReader();
  const chatParts: ChatParts = {
    ...parts,
    bodies,
    refusal: () => readiness.refusal({ isBilled: false }),
  };
  const served = () => ({ model: model(), adapters: adapters() });
  const loading = { bodies, library: adapters, folder: parts.adapterFolder };
  return [
    {
      method: "POST",
      path: "/v1/chat/completions",
      handler: withKey((exchange) => chatCompletions(exchange, chatParts)),
    },
    {
      method: "POST",
      path: "/v1/completions",
      handler: withKey((exchange) => completions(exchange, chatParts)),
    },
    {
      method: "POST",
      path: "/v1/embeddings",
      handler: withKey((exchange) => embeddings(exchange, chatParts)),
    },
    {
      method: "GET",
      path: "/v1/models",
      handler: withKey((exchange) => listModels(exchange, served())),
    },
    {
      method: "GET",
      path: "/v1/models/*",
      handler: withKey((exchange, id) => retrieveModel(exchange, id, served())),
    },
    {
      method: "POST",
      path: "/v1/load_lora_adapter",
      handler: withKey((exchange) => loadAdapter(exchange, loading)),
    },
    {
      method: "POST",
      path: "/v1/unload_lora_adapter",
      handler: withKey((exchange) => unloadAdapter(exchange, loading)),
    },
    { method: "GET", path: "/health", handler: (exchange) => health(exchange, readiness) },
    { method: "GET", path: "/ready", handler: (exchange) => ready(exchange, readiness) },
    { method: "GET", path: "/metrics", handler: (exchange) => metrics.serve(exchange) },
  ];
}
