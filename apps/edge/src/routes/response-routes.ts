// The routes of the Responses API.
import { inputTokensSchema, responseRequestSchema } from "@fairlane/protocol";
import { idempotent } from "../admission/idempotency.ts";
import type { EdgeDependencies } from "../edge-context.ts";
import { createResponseRoute } from "../http/responses.ts";
import { countInputTokensRoute } from "../http/input-tokens.ts";
import { inputItemsQuery, inputItemsRoute } from "../http/input-items.ts";
import {
  cancelResponseRoute,
  deleteResponseRoute,
  retrieveQuery,
  retrieveResponseRoute,
} from "../http/stored-responses.ts";
import type { Route } from "./route.ts";

const access = { scope: "inference" } as const;
const tag = "Responses";
const ONE = "/v1/responses/:response";

export function responseRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/responses",
      access,
      docs: {
        summary: "Answer a conversation, and keep it",
        tag,
        body: responseRequestSchema,
        streams: true,
      },
      handler: idempotent(deps, createResponseRoute(deps)),
    },
    {
      method: "POST",
      path: "/v1/responses/input_tokens",
      access,
      docs: { summary: "Count the tokens of a response's input", tag, body: inputTokensSchema },
      handler: countInputTokensRoute(deps),
    },
    {
      method: "GET",
      path: ONE,
      access,
      docs: { summary: "Read a stored response", tag, query: retrieveQuery },
      handler: retrieveResponseRoute(deps),
    },
    {
      method: "DELETE",
      path: ONE,
      access,
      docs: { summary: "Delete a stored response", tag },
      handler: deleteResponseRoute(deps),
    },
    {
      method: "GET",
      path: `${ONE}/input_items`,
      access,
      docs: { summary: "List what a stored response answered", tag, query: inputItemsQuery },
      handler: inputItemsRoute(deps),
    },
    {
      method: "POST",
      path: `${ONE}/cancel`,
      access,
      docs: { summary: "Refused: no response runs in the background", tag },
      handler: cancelResponseRoute(deps),
    },
  ];
}
