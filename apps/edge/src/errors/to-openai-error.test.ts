import { AppError, ERROR_CODES, type ErrorCode } from "@fairlane/protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { errorResponse, toErrorValue } from "./to-openai-error.ts";

// What clients rely on, one line per code: status, type, x-should-retry.
const PUBLIC: Readonly<Record<ErrorCode, readonly [number, string, string | null]>> = {
  invalid_json: [400, "invalid_request_error", null],
  missing_required_parameter: [400, "invalid_request_error", null],
  invalid_type: [400, "invalid_request_error", null],
  invalid_value: [400, "invalid_request_error", null],
  integer_below_min_value: [400, "invalid_request_error", null],
  integer_above_max_value: [400, "invalid_request_error", null],
  decimal_below_min_value: [400, "invalid_request_error", null],
  decimal_above_max_value: [400, "invalid_request_error", null],
  empty_array: [400, "invalid_request_error", null],
  array_above_max_length: [400, "invalid_request_error", null],
  string_above_max_length: [400, "invalid_request_error", null],
  unknown_parameter: [400, "invalid_request_error", null],
  unsupported_parameter: [400, "invalid_request_error", null],
  context_length_exceeded: [400, "invalid_request_error", null],
  invalid_adapter: [400, "invalid_request_error", null],
  invalid_messages: [400, "invalid_request_error", null],
  unsupported_schema: [400, "invalid_request_error", null],
  schema_too_complex: [400, "invalid_request_error", null],
  previous_response_not_found: [400, "invalid_request_error", null],
  invalid_api_key: [401, "invalid_request_error", null],
  api_key_expired: [401, "invalid_request_error", null],
  invalid_session: [401, "invalid_request_error", null],
  invalid_login_token: [401, "invalid_request_error", null],
  invalid_admin_token: [401, "invalid_request_error", null],
  invalid_node_token: [401, "invalid_request_error", null],
  scope_not_allowed: [403, "permission_error", null],
  model_not_allowed: [403, "permission_error", null],
  adapter_not_allowed: [403, "permission_error", null],
  ip_not_allowed: [403, "permission_error", null],
  wider_than_own: [403, "permission_error", null],
  role_not_allowed: [403, "permission_error", null],
  cross_site_request: [403, "permission_error", null],
  tenant_suspended: [403, "permission_error", null],
  not_found: [404, "invalid_request_error", null],
  model_not_found: [404, "invalid_request_error", null],
  method_not_allowed: [405, "invalid_request_error", null],
  already_exists: [409, "invalid_request_error", "false"],
  key_revoked: [409, "invalid_request_error", "false"],
  tenant_erased: [409, "invalid_request_error", "false"],
  job_running: [409, "invalid_request_error", "true"],
  too_many_members: [409, "invalid_request_error", "false"],
  too_many_keys: [409, "invalid_request_error", "false"],
  too_many_adapters: [409, "invalid_request_error", "false"],
  idempotency_key_conflict: [409, "invalid_request_error", "false"],
  idempotency_in_progress: [409, "invalid_request_error", "true"],
  idempotency_result_lost: [409, "invalid_request_error", "false"],
  too_many_budgets: [409, "invalid_request_error", "false"],
  too_many_credits: [409, "invalid_request_error", "false"],
  too_many_files: [409, "invalid_request_error", "false"],
  invoice_period_open: [409, "invalid_request_error", "false"],
  invoice_state_conflict: [409, "invalid_request_error", "false"],
  invoice_stale: [409, "invalid_request_error", "false"],
  invoice_too_large: [409, "invalid_request_error", "false"],
  request_too_large: [413, "invalid_request_error", null],
  rate_limit_requests: [429, "rate_limit_exceeded", "true"],
  rate_limit_tokens: [429, "rate_limit_exceeded", "true"],
  too_many_parallel_requests: [429, "rate_limit_exceeded", "true"],
  too_many_idempotency_keys: [429, "rate_limit_exceeded", "true"],
  budget_exceeded: [429, "insufficient_quota", "false"],
  credit_exhausted: [429, "insufficient_quota", "false"],
  in_flight_budget_exhausted: [429, "rate_limit_exceeded", "true"],
  client_closed_request: [499, "invalid_request_error", null],
  internal_error: [500, "server_error", null],
  file_damaged: [500, "server_error", null],
  no_token_allowed: [500, "server_error", null],
  upstream_error: [502, "server_error", "true"],
  overloaded: [503, "server_error", "true"],
  no_capacity: [503, "server_error", "true"],
  draining: [503, "server_error", "true"],
  account_unavailable: [503, "server_error", "true"],
  storage_unavailable: [503, "server_error", "true"],
  adapter_not_ready: [503, "server_error", "true"],
  queue_timeout: [503, "server_error", "true"],
};

afterEach(() => void vi.restoreAllMocks());

describe("errorResponse", () => {
  it("knows every code of the list", () => {
    expect(Object.keys(PUBLIC).toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
  });

  it.each(Object.entries(PUBLIC))("answers %s", async (code, [status, type, shouldRetry]) => {
    const value = { code: code as ErrorCode, message: "What happened.", param: "field" };
    const response = errorResponse(value);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(response.headers.get("x-should-retry")).toBe(shouldRetry);
    expect(response.headers.get("www-authenticate")).toBe(status === 401 ? "Bearer" : null);
    expect(await response.json()).toEqual({
      error: { message: "What happened.", type, param: "field", code },
    });
  });

  it("says when a retry can help, in seconds and in milliseconds", () => {
    const value = { code: "overloaded", message: "Later.", param: null } as const;
    const headers = (retryAfterMs: number) => {
      const { headers } = errorResponse({ ...value, retryAfterMs });
      return [headers.get("retry-after"), headers.get("retry-after-ms")];
    };
    expect(headers(1)).toEqual(["1", "1"]);
    expect(headers(2_500)).toEqual(["3", "2500"]);
  });
});

describe("toErrorValue", () => {
  it("passes an AppError on", () => {
    const error = new AppError("not_found", "No such thing.", { param: "id" });
    expect(toErrorValue(error, "req_1")).toEqual({
      code: "not_found",
      message: "No such thing.",
      param: "id",
    });
  });

  it("tells a database that is away from a bug", () => {
    const lines: string[] = [];
    vi.spyOn(console, "error").mockImplementation((line: string) => void lines.push(line));
    expect(toErrorValue(new Error("D1_ERROR: Network connection lost."), "req_1")).toEqual({
      code: "storage_unavailable",
      message: "A database cannot be asked at the moment; try again.",
      param: null,
      retryAfterMs: 1_000,
    });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ event: "storage_failed" });
  });

  it.each([
    new TypeError("my prompt is a secret"),
    new SyntaxError("Unexpected token in my prompt is a secret"),
    "my prompt is a secret",
    { message: "my prompt is a secret" },
    undefined,
  ])("makes a bug of %o, logged without its message", (thrown) => {
    const lines: string[] = [];
    vi.spyOn(console, "error").mockImplementation((line: string) => void lines.push(line));
    const value = toErrorValue(thrown, "req_1");
    expect(value).toEqual({
      code: "internal_error",
      message: "The server failed to process the request. It is logged under req_1.",
      param: null,
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("secret");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      level: "error",
      event: "unhandled_exception",
      request_id: "req_1",
    });
  });
});
