// The OpenAPI document as the edge serves it.
import { describe, expect, it } from "vitest";
import { scriptedEdge } from "../../test/scripted-edge.ts";
import { openApiDocument } from "./openapi.ts";
import type { Route } from "./route.ts";

async function served() {
  const response = await scriptedEdge().send("/openapi.json");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  return response.json<ReturnType<typeof openApiDocument>>();
}

const route = (changes: Partial<Route>): Route => ({
  method: "GET",
  path: "/things/:thing",
  access: "public",
  docs: { summary: "Look at a thing", tag: "Things" },
  handler: () => new Response(null),
  ...changes,
});

describe("the OpenAPI document", () => {
  it("names every route of the edge, itself included", async () => {
    const document = await served();
    expect(document.openapi).toBe("3.1.0");
    const paths = Object.keys(document.paths ?? {});
    expect(paths).toContain("/v1/chat/completions");
    expect(paths).toContain("/v1/models/{model}");
    expect(paths).toContain("/v1/fairlane/admin/tenants/{tenant}/keys/{key}");
    expect(paths).toContain("/openapi.json");
  });

  it("tells the body that a route checks, its errors and its streams", async () => {
    const { post } = (await served()).paths?.["/v1/chat/completions"] ?? {};
    expect(post).toMatchObject({
      tags: ["Inference"],
      security: [{ apiKey: [] }, { apiKeyHeader: [] }],
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: {
              type: "object",
              properties: { temperature: { type: ["number", "null"], minimum: 0, maximum: 2 } },
              required: ["messages"],
              additionalProperties: false,
            },
          },
        },
      },
      responses: {
        200: { content: { "application/json": {}, "text/event-stream": {} } },
        default: {
          content: { "application/json": { schema: { required: ["error"], type: "object" } } },
        },
      },
    });
  });

  it("tells parameters of path and query and who may call", () => {
    const paths = openApiDocument([
      route({ path: "/v1/models/:model{.+}", access: { scope: "inference" } }),
      route({ method: "DELETE", access: "admin" }),
      route({}),
    ]).paths;
    expect(paths?.["/v1/models/{model}"]?.get).toMatchObject({
      description: "The caller needs the scope `inference`: run models and list them.",
      parameters: [{ name: "model", in: "path", required: true, schema: { type: "string" } }],
    });
    expect(paths?.["/things/{thing}"]?.delete?.security).toEqual([{ adminToken: [] }]);
    expect(paths?.["/things/{thing}"]?.get?.security).toBeUndefined();
  });
});

describe("the page", () => {
  it("shows every route and body without a script, and nothing from elsewhere", async () => {
    const response = await scriptedEdge().send("/docs");
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    const page = await response.text();
    for (const path of Object.keys((await served()).paths ?? {})) {
      expect(page).toContain(`<code>${path}</code>`);
    }
    expect(page).toContain("max_completion_tokens");
    expect(page).not.toMatch(/<script|https?:/);
  });
});
