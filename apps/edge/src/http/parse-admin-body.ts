// Owns reading an administrative body: bounded, validated, refused in OpenAI's words.
import { AppError, errorOfIssues } from "@fairlane/protocol";
import type { z } from "zod";
import { ADMIN_BODY_BYTES_MAX } from "../limits.ts";
import { readJson } from "./read-json.ts";

/** The body as `schema` has it; throws a 400 or 413. */
export async function parseAdminBody<T>(
  request: Request,
  schema: z.ZodType<T>,
  bytesMax: number = ADMIN_BODY_BYTES_MAX,
): Promise<T> {
  const body = await readJson(request, bytesMax);
  if (!body.ok) throw AppError.of(body.error);
  const parsed = schema.safeParse(body.value, { reportInput: true });
  if (!parsed.success) throw AppError.of(errorOfIssues(parsed.error.issues));
  return parsed.data;
}
