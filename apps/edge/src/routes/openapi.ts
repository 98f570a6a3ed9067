// Owns the OpenAPI 3.1 document: written from the list of routes and the very schemas that requests are checked
// with, once, when it is first asked for.
import {
  OpenApiGeneratorV31,
  OpenAPIRegistry,
  type RouteConfig,
} from "@asteasolutions/zod-to-openapi";
import { scopeSpec, type Scope } from "@fairlane/protocol";
import { z } from "zod";
import type { Route } from "./route.ts";

const OPENAPI_PATH = "/openapi.json";
const API_KEY = "apiKey";
const API_KEY_HEADER = "apiKeyHeader";
const ADMIN_TOKEN = "adminToken";
const SESSION_COOKIE = "session";
/** `:model{.+}`: a parameter of a path in Hono's form, with its pattern. */
const PATH_PARAMETER = /:(\w+)(?:\{[^}]*\})?/g;

const errorAnswer = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

/** GET /openapi.json. @param routes every route, this one included; asked for with the first request */
export function openApiRoute(routes: () => readonly Route[]): Route {
  let text: string | undefined;
  return {
    method: "GET",
    path: OPENAPI_PATH,
    access: "public",
    docs: { summary: "This document", tag: "Service" },
    handler: () => {
      text ??= JSON.stringify(openApiDocument(routes()));
      return new Response(text, { headers: { "content-type": "application/json" } });
    },
  };
}

/** The document of a list of routes. */
export function openApiDocument(routes: readonly Route[]) {
  const registry = new OpenAPIRegistry();
  registry.registerComponent("securitySchemes", API_KEY, { type: "http", scheme: "bearer" });
  const header = { type: "apiKey", in: "header", name: "x-api-key" } as const;
  registry.registerComponent("securitySchemes", API_KEY_HEADER, header);
  registry.registerComponent("securitySchemes", ADMIN_TOKEN, { type: "http", scheme: "bearer" });
  registry.registerComponent("securitySchemes", SESSION_COOKIE, {
    type: "apiKey",
    in: "cookie",
    name: "__Host-fairlane_session",
  });
  for (const route of routes) registry.registerPath(pathOf(route));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: "3.1.0",
    info: {
      title: "Fairlane",
      version: "1",
      description: "Language models for many tenants, behind the API that OpenAI's clients speak.",
    },
    servers: [{ url: "/" }],
  });
}

function pathOf({ method, path, access, docs }: Route): RouteConfig {
  const { summary, tag, body, query } = docs;
  const parameters = [...path.matchAll(PATH_PARAMETER)].map(([, name = ""]) => name);
  const params = z.object(Object.fromEntries(parameters.map((name) => [name, z.string()])));
  const request = {
    ...(parameters.length > 0 ? { params } : {}),
    ...(query ? { query } : {}),
    ...(body ? { body: { required: true, content: jsonContent(body) } } : {}),
  };
  return {
    method: lowerMethods[method],
    path: path.replaceAll(PATH_PARAMETER, "{$1}"),
    summary,
    tags: [tag],
    ...securityOf(access),
    request,
    responses: answersOf(docs),
  };
}

const lowerMethods = {
  GET: "get",
  POST: "post",
  PUT: "put",
  PATCH: "patch",
  DELETE: "delete",
} as const;

function securityOf(access: Route["access"]) {
  if (access === "public") return {};
  if (access === "admin") return { security: [{ [ADMIN_TOKEN]: [] }] };
  if (access === "caller") return { security: [{ [API_KEY]: [] }, { [SESSION_COOKIE]: [] }] };
  return {
    security: securityOfScope(access.scope),
    description: `The caller needs the scope \`${access.scope}\`: ${scopeSpec(access.scope).opens}.`,
  };
}

/** A role has no scope that computes. */
function securityOfScope(scope: Scope) {
  const { isForKeys, roles } = scopeSpec(scope);
  return [
    ...(isForKeys ? [{ [API_KEY]: [] }, { [API_KEY_HEADER]: [] }] : []),
    ...(roles.length > 0 ? [{ [SESSION_COOKIE]: [] }] : []),
  ];
}

function answersOf({ status = 200, answer = z.unknown(), streams, contentType }: Route["docs"]) {
  const events = streams === true ? { "text/event-stream": { schema: z.string() } } : {};
  const content = contentType ? { [contentType]: { schema: z.string() } } : jsonContent(answer);
  return {
    [status]: { description: "Success", content: { ...content, ...events } },
    default: { description: "What went wrong", content: jsonContent(errorAnswer) },
  };
}

function jsonContent(schema: z.ZodType) {
  return { "application/json": { schema } };
}
