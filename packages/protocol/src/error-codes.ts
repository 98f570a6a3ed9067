// Owns the only list of error codes: HTTP status, OpenAI error type, who is at fault, whether a retry can help,
// and why the code exists. Refusal statuses follow DESIGN 3.2: 402 is not used.

interface ErrorCodeSpec {
  readonly status: number;
  readonly type:
    | "invalid_request_error"
    | "permission_error"
    | "rate_limit_exceeded"
    | "insufficient_quota"
    | "server_error";
  readonly kind: "user" | "system";
  /** What `x-should-retry` says; absent = the client's own rule for the status. */
  readonly shouldRetry?: boolean;
  readonly reason: string;
}

export const ERROR_CODES = {
  invalid_json: user(400, "the body is not JSON or not UTF-8"),
  missing_required_parameter: user(400, "a required field is absent"),
  invalid_type: user(400, "a field has the wrong JSON type"),
  invalid_value: user(400, "a field's value is not one of those allowed"),
  integer_below_min_value: user(400, "an integer is below its bound"),
  integer_above_max_value: user(400, "an integer is above its bound"),
  decimal_below_min_value: user(400, "a number is below its bound"),
  decimal_above_max_value: user(400, "a number is above its bound"),
  empty_array: user(400, "an array needs at least one element"),
  array_above_max_length: user(400, "an array is longer than its bound"),
  string_above_max_length: user(400, "a string is longer than its bound"),
  unknown_parameter: user(400, "the API has no such field"),
  unsupported_parameter: user(400, "the field exists in OpenAI's API and is not served here yet"),
  context_length_exceeded: user(400, "prompt plus requested output do not fit the model's context"),
  invalid_adapter: user(400, "the files are no LoRA adapter that can be served"),
  invalid_messages: user(400, "the chat template refuses these messages"),
  unsupported_schema: user(400, "a JSON schema says what no grammar of ours can express"),
  schema_too_complex: user(400, "a JSON schema's grammar passes a bound"),
  previous_response_not_found: user(400, "no such stored response, or it is another project's"),
  invalid_api_key: user(401, "no key, a forged key, an unknown key or a revoked key"),
  api_key_expired: user(401, "the key's time is over"),
  invalid_session: user(401, "the session is over, unknown or forged"),
  invalid_login_token: user(401, "the login token is used, over, unknown or forged"),
  invalid_admin_token: user(401, "the admin token is absent or wrong"),
  invalid_node_token: user(401, "the node token is absent, malformed or forged"),
  scope_not_allowed: { ...user(403, "the key lacks the scope"), type: "permission_error" },
  model_not_allowed: { ...user(403, "the key's list lacks the model"), type: "permission_error" },
  adapter_not_allowed: {
    ...user(403, "the key's list lacks the adapter"),
    type: "permission_error",
  },
  ip_not_allowed: {
    ...user(403, "the key's list lacks the client's address"),
    type: "permission_error",
  },
  wider_than_own: {
    ...user(403, "a key cannot hand on what it does not have"),
    type: "permission_error",
  },
  role_not_allowed: {
    ...user(403, "an owner is an owner's to change, and the last one stays"),
    type: "permission_error",
  },
  cross_site_request: {
    ...user(403, "another site's page sent this with the browser's session"),
    type: "permission_error",
  },
  tenant_suspended: { ...user(403, "the tenant is not active"), type: "permission_error" },
  not_found: user(404, "no such route or resource"),
  model_not_found: user(404, "no node serves this model, or the tenant may not know of it"),
  method_not_allowed: user(405, "the route exists and does not take this method"),
  already_exists: user(409, "a resource with this id exists", false),
  key_revoked: user(409, "a revoked key cannot be changed", false),
  idempotency_key_conflict: user(409, "the key was used with another request", false),
  idempotency_in_progress: user(409, "the request with this key still runs", true),
  idempotency_result_lost: user(
    409,
    "the request with this key ran, and its answer is lost",
    false,
  ),
  too_many_members: user(409, "the tenant has as many members as it may", false),
  too_many_budgets: user(409, "the tenant has as many budgets of its own as it may", false),
  too_many_credits: user(409, "the account keeps as many grants of credit as it may", false),
  too_many_keys: user(409, "the tenant has as many live keys as it may", false),
  too_many_adapters: user(
    409,
    "the tenant has as many adapters, versions or grants as it may",
    false,
  ),
  too_many_files: user(409, "the tenant has as many files or uploads as it may", false),
  tenant_erased: user(409, "the tenant is being erased, or was", false),
  job_running: user(409, "the job runs already", true),
  invoice_period_open: user(409, "the month is not over, or usage of it is on its way", false),
  invoice_state_conflict: user(409, "the invoice, or its month, is in no state for this", false),
  invoice_stale: user(409, "the draft is not what it was: it has to be made again", false),
  invoice_too_large: user(409, "more lines than an invoice has, or an amount out of range", false),
  request_too_large: user(413, "the body is over its byte bound"),
  rate_limit_requests: {
    ...user(429, "requests per minute are used up", true),
    type: "rate_limit_exceeded",
  },
  rate_limit_tokens: {
    ...user(429, "tokens per minute are used up", true),
    type: "rate_limit_exceeded",
  },
  too_many_parallel_requests: {
    ...user(429, "the tenant runs as many requests as it may", true),
    type: "rate_limit_exceeded",
  },
  too_many_idempotency_keys: {
    ...user(429, "the account remembers as many keys as it may", true),
    type: "rate_limit_exceeded",
  },
  budget_exceeded: {
    ...user(429, "a spending budget does not cover the request", false),
    type: "insufficient_quota",
  },
  credit_exhausted: {
    ...user(429, "the prepaid credit does not cover the request", false),
    type: "insufficient_quota",
  },
  in_flight_budget_exhausted: {
    ...user(429, "running requests hold what is left of a budget or credit", true),
    type: "rate_limit_exceeded",
  },
  client_closed_request: user(499, "the client went away; in logs and ledger only"),
  internal_error: system(500, "a bug: the request id finds it in the logs"),
  file_damaged: system(500, "a file's stored content is not what was written"),
  no_token_allowed: system(500, "the grammar and the vocabulary leave no token to go on with"),
  upstream_error: system(502, "the node was lost or answered nonsense", true),
  overloaded: system(503, "queues are full; a retry after the stated time can work", true),
  no_capacity: system(503, "no node is linked to the region", true),
  draining: system(503, "the node is going down and takes nothing new", true),
  account_unavailable: system(503, "admission cannot be asked: fail closed", true),
  storage_unavailable: system(503, "a database cannot be asked", true),
  adapter_not_ready: system(503, "the node has not got the adapter in time; it goes on", true),
  queue_timeout: system(503, "the deadline would pass, or passed, in the queue", true),
} as const satisfies Record<string, ErrorCodeSpec>;

export type ErrorCode = keyof typeof ERROR_CODES;

function user(status: number, reason: string, shouldRetry?: boolean) {
  const spec = { status, type: "invalid_request_error", kind: "user", reason } as const;
  return shouldRetry === undefined ? spec : { ...spec, shouldRetry };
}

function system(status: number, reason: string, shouldRetry?: boolean) {
  const spec = { status, type: "server_error", kind: "system", reason } as const;
  return shouldRetry === undefined ? spec : { ...spec, shouldRetry };
}

/** The public facts of a code. */
export function errorSpec(code: ErrorCode): ErrorCodeSpec {
  return ERROR_CODES[code];
}

/** True when `text` is a code of the list (a newer peer may know more). */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}
