// Owns reading a query: every parameter once, validated, refused in OpenAI's words.
import { AppError, errorOfIssues } from "@fairlane/protocol";
import type { z } from "zod";
import type { EdgeContext } from "../edge-context.ts";

/** The query as `schema` has it; parameters that it does not name are ignored. Throws a 400. */
export function parseQuery<T>(context: EdgeContext, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(context.req.query(), { reportInput: true });
  if (!parsed.success) throw AppError.of(errorOfIssues(parsed.error.issues));
  return parsed.data;
}
