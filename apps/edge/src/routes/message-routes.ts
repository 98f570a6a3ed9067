// The routes of Anthropic's Messages API.
import { countTokensSchema, messageRequestSchema } from "@fairlane/protocol";
import { idempotent } from "../admission/idempotency.ts";
import type { EdgeDependencies } from "../edge-context.ts";
import { countTokensRoute } from "../http/count-tokens.ts";
import { messagesRoute } from "../http/messages.ts";
import type { Route } from "./route.ts";

const access = { scope: "inference" } as const;
const tag = "Messages";

export function messageRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/messages",
      access,
      docs: { summary: "Answer a chat", tag, body: messageRequestSchema, streams: true },
      handler: idempotent(deps, messagesRoute(deps)),
    },
    {
      method: "POST",
      path: "/v1/messages/count_tokens",
      access,
      docs: { summary: "Count a prompt's tokens", tag, body: countTokensSchema },
      handler: countTokensRoute(deps),
    },
  ];
}
