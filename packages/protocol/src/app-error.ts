// Owns the value and the exception of an operating error, and the OpenAI-shaped body and headers made of it.
// The value form (ErrorValue) crosses RPC and wire; AppError is thrown inside HTTP layers.
import { errorSpec, type ErrorCode } from "./error-codes.ts";

/** An operating error as plain data. The message holds values, never a secret or prompt text. */
export interface ErrorValue {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param: string | null;
  readonly retryAfterMs?: number;
}

export class AppError extends Error {
  override readonly name = "AppError";
  readonly value: ErrorValue;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly param?: string | null; readonly retryAfterMs?: number } = {},
  ) {
    super(message);
    const value = { code, message, param: options.param ?? null };
    this.value =
      options.retryAfterMs === undefined ? value : { ...value, retryAfterMs: options.retryAfterMs };
  }

  static of(value: ErrorValue): AppError {
    return new AppError(value.code, value.message, value);
  }

  get status(): number {
    return errorSpec(this.value.code).status;
  }
}

/** OpenAI's error body. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** The JSON body that clients see for this error. */
export function errorBody(value: ErrorValue): ErrorBody {
  const { message, param, code } = value;
  return { error: { message, type: errorSpec(code).type, param, code } };
}

/** Status and retry headers that go with errorBody. Lower-case names. */
export function errorHead(value: ErrorValue): {
  readonly status: number;
  readonly headers: Record<string, string>;
} {
  const spec = errorSpec(value.code);
  const headers: Record<string, string> = { "content-type": "application/json; charset=utf-8" };
  if (spec.shouldRetry !== undefined) headers["x-should-retry"] = String(spec.shouldRetry);
  if (spec.status === 401) headers["www-authenticate"] = "Bearer";
  if (value.retryAfterMs !== undefined) {
    headers["retry-after"] = String(Math.max(1, Math.ceil(value.retryAfterMs / 1000)));
    headers["retry-after-ms"] = String(Math.ceil(value.retryAfterMs));
  }
  return { status: spec.status, headers };
}
