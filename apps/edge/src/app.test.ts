// What every answer has, and the answers to paths and methods that do not exist.
import { describe, expect, it } from "vitest";
import { scriptedEdge } from "../test/scripted-edge.ts";

describe("every answer", () => {
  it("has our request id, OpenAI's version and the time taken", async () => {
    const edge = scriptedEdge();
    const ids = new Set<string | null>();
    for (const path of ["/health", "/nowhere", "/v1/models", "/v1/chat/completions"]) {
      const response = await edge.send(path);
      ids.add(response.headers.get("x-request-id"));
      expect(response.headers.get("x-request-id"), path).toMatch(/^req_[0-9a-z]{26}$/);
      expect(response.headers.get("openai-version"), path).toBe("2020-10-01");
      expect(response.headers.get("openai-processing-ms"), path).toMatch(/^[0-9]+$/);
    }
    expect(ids.size).toBe(4);
  });

  it.each([
    ["trace-7", "trace-7"],
    ["x".repeat(512), "x".repeat(512)],
    ["x".repeat(513), null],
    ["two words", null],
    ["a\tb", null],
  ])("sends the client's own id %j back as %j", async (id, echoed) => {
    const response = await scriptedEdge().send("/health", {
      headers: { "x-client-request-id": id },
    });
    expect(response.headers.get("x-client-request-id")).toBe(echoed);
    expect(response.headers.get("x-request-id")).not.toBe(id);
  });
});

describe("unknown paths", () => {
  it.each(["/", "/v1", "/v1/chat", "/v1/chat/completions/x", "/v1/fairlane/admin", "/V1/models"])(
    "%s is a 404 in OpenAI's shape",
    async (path) => {
      const response = await scriptedEdge().send(path, { method: "POST", body: "{}" });
      expect(response.status).toBe(404);
      expect(await response.json()).toEqual({
        error: {
          message: `Unknown request URL: POST ${path}. Check the path for typos.`,
          type: "invalid_request_error",
          param: null,
          code: "not_found",
        },
      });
    },
  );
});

describe("methods that a path does not take", () => {
  it.each([
    ["GET", "/v1/chat/completions", "POST"],
    ["PUT", "/v1/chat/completions", "POST"],
    ["OPTIONS", "/v1/chat/completions", "POST"],
    ["POST", "/v1/models", "GET, HEAD"],
    ["DELETE", "/v1/models/some-model", "GET, HEAD"],
    ["POST", "/v1/fairlane/usage", "GET, HEAD"],
    ["POST", "/health", "GET, HEAD"],
    ["POST", "/ready", "GET, HEAD"],
    ["GET", "/v1/fairlane/admin/tenants", "POST"],
    ["PUT", "/v1/fairlane/admin/tenants/t/keys", "GET, HEAD, POST"],
    ["PUT", "/v1/fairlane/admin/tenants/t/keys/k", "GET, HEAD, PATCH, DELETE"],
    ["POST", "/v1/fairlane/admin/tenants/t/usage", "GET, HEAD"],
  ])("%s %s is a 405 that allows %s", async (method, path, allow) => {
    const response = await scriptedEdge().send(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
    expect(await response.json()).toMatchObject({
      error: { code: "method_not_allowed", type: "invalid_request_error" },
    });
  });
});
