import { describe, expect, it } from "vitest";
import { AppError, errorBody, errorHead } from "./app-error.ts";
import { ERROR_CODES, errorSpec, isErrorCode } from "./error-codes.ts";

describe("AppError", () => {
  it("carries its value and becomes OpenAI's body", () => {
    const error = new AppError("rate_limit_tokens", "Slow down.", { retryAfterMs: 1_500 });
    expect(error.status).toBe(429);
    expect(errorBody(error.value)).toEqual({
      error: {
        message: "Slow down.",
        type: "rate_limit_exceeded",
        param: null,
        code: "rate_limit_tokens",
      },
    });
    expect(errorHead(error.value)).toEqual({
      status: 429,
      headers: {
        "content-type": "application/json; charset=utf-8",
        "x-should-retry": "true",
        "retry-after": "2",
        "retry-after-ms": "1500",
      },
    });
    expect(AppError.of(error.value).value).toEqual(error.value);
  });

  it("asks for a bearer key with a 401 and says nothing about a retry where the status says it", () => {
    const value = { code: "invalid_api_key", message: "No.", param: null } as const;
    expect(errorHead(value)).toEqual({
      status: 401,
      headers: {
        "content-type": "application/json; charset=utf-8",
        "www-authenticate": "Bearer",
      },
    });
  });
});

describe("ERROR_CODES", () => {
  it("uses only the statuses of the design and blames the right side", () => {
    const statuses = [400, 401, 403, 404, 405, 409, 413, 422, 429, 499, 500, 502, 503];
    for (const [code, spec] of Object.entries(ERROR_CODES)) {
      expect(statuses, code).toContain(spec.status);
      expect(spec.kind, code).toBe(spec.status >= 500 ? "system" : "user");
      expect(spec.reason.length, code).toBeGreaterThan(8);
      expect(code).toMatch(/^[a-z][a-z_]+$/);
    }
  });

  it("knows its own codes only", () => {
    expect(isErrorCode("overloaded")).toBe(true);
    expect(isErrorCode("toString")).toBe(false);
    expect(errorSpec("overloaded").shouldRetry).toBe(true);
  });
});
