// Owns the query of a list that comes in pages: how many, and after (or before) which id.
import { AppError, errorOfIssues } from "@fairlane/protocol";
import { z } from "zod";
import type { EdgeContext } from "../edge-context.ts";
import { PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX } from "../limits.ts";

const CURSOR = /^[a-z]{1,8}_[0-9a-z]{26}$/;

/** `limit` and `after`: the last id of the page before. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(PAGE_ROWS_DEFAULT),
  after: z.string().regex(CURSOR, "expected the id of the last entry of a page").optional(),
});

/** What the caller asks for; throws a 400. */
export function parsePageQuery(context: EdgeContext): z.infer<typeof pageQuery> {
  const parsed = pageQuery.safeParse(context.req.query(), { reportInput: true });
  if (parsed.success) return parsed.data;
  throw AppError.of(errorOfIssues(parsed.error.issues));
}

/** A page in OpenAI's form of a list. One row more than the page holds tells that there are others. */
export function pageBody<Row>(rows: readonly Row[], rowsMax: number) {
  return { object: "list", data: rows.slice(0, rowsMax), has_more: rows.length > rowsMax };
}
