// Owns the way from a decoded body to a request that is served, the same for every API: fields that are off, then what
// is known and not served, then the schema, then what does not go together. Says the first wrong field, never a text.
import { err, ok, type Result } from "@fairlane/base";
import type { z } from "zod";
import type { ErrorValue } from "../app-error.ts";
import { errorOfIssues } from "./issues.ts";
import { withoutOffFields, type OffValues } from "./off-values.ts";

export type RequestFields = Readonly<Record<string, unknown>>;

/** What one endpoint serves. */
export interface Served<Request> {
  readonly offValues: OffValues;
  /** Of this body: a union is narrowed to the kind that was given, so that the error is about that kind. */
  readonly schemaOf: (body: RequestFields) => z.ZodType<Request>;
  /** Error of the first thing that the API has and Fairlane does not, where the schema's would mislead. */
  readonly unsupported?: (body: RequestFields) => ErrorValue | null;
  /** Error of the first fields, each of them right, that do not go together. */
  readonly check: (request: Request) => ErrorValue | null;
}

/** Validates a decoded JSON body; the error names the first wrong field. */
export function parseServed<Request>(
  body: unknown,
  served: Served<Request>,
): Result<Request, ErrorValue> {
  const rest = withoutOffFields(body, served.offValues);
  if (!rest.ok) return rest;
  const unsupported = served.unsupported?.(rest.value) ?? null;
  if (unsupported !== null) return err(unsupported);
  const parsed = served.schemaOf(rest.value).safeParse(rest.value, { reportInput: true });
  if (!parsed.success) return err(errorOfIssues(parsed.error.issues));
  const error = served.check(parsed.data);
  return error === null ? ok(parsed.data) : err(error);
}
