// The routes that compute: OpenAI's, with the models they can name.
import {
  chatRequestSchema,
  completionRequestSchema,
  embeddingRequestSchema,
} from "@fairlane/protocol";
import { idempotent } from "../admission/idempotency.ts";
import type { EdgeDependencies } from "../edge-context.ts";
import { chatCompletionsRoute } from "../http/chat-completions.ts";
import { completionsRoute } from "../http/completions.ts";
import { embeddingsRoute } from "../http/embeddings.ts";
import { listModelsRoute, retrieveModelRoute } from "../http/models.ts";
import { requestStreamRoute } from "../http/request-stream.ts";
import { messageRoutes } from "./message-routes.ts";
import { responseRoutes } from "./response-routes.ts";
import type { Route } from "./route.ts";

const access = { scope: "inference" } as const;

export function inferenceRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/chat/completions",
      access,
      docs: {
        summary: "Answer a chat",
        tag: "Inference",
        body: chatRequestSchema,
        streams: true,
      },
      handler: idempotent(deps, chatCompletionsRoute(deps)),
    },
    {
      method: "POST",
      path: "/v1/completions",
      access,
      docs: {
        summary: "Continue a text",
        tag: "Inference",
        body: completionRequestSchema,
        streams: true,
      },
      handler: idempotent(deps, completionsRoute(deps)),
    },
    {
      method: "POST",
      path: "/v1/embeddings",
      access,
      docs: { summary: "Embed texts", tag: "Inference", body: embeddingRequestSchema },
      handler: idempotent(deps, embeddingsRoute(deps)),
    },
    ...responseRoutes(deps),
    ...messageRoutes(deps),
    {
      method: "GET",
      path: "/v1/fairlane/requests/:request/stream",
      access,
      docs: {
        summary: "Go on with an event stream whose connection was lost, after its Last-Event-ID",
        tag: "Inference",
        streams: true,
      },
      handler: requestStreamRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/models",
      access,
      docs: { summary: "List the models that can be named", tag: "Models" },
      handler: listModelsRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/models/:model{.+}",
      access,
      docs: { summary: "Describe one model", tag: "Models" },
      handler: retrieveModelRoute(deps),
    },
  ];
}
