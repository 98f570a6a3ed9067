// GET .../costs: what a tenant's requests cost by hour or day of UTC, and by project, key or model, from the ledger; as
// JSON or CSV. A request counts in the hour in which it ended. Amounts are integer nano-USD.
import { COST_ROWS_MAX, costsOf, ledgerOf, type CostRow } from "@fairlane/db";
import { AppError, errorOfIssues, type Caller } from "@fairlane/protocol";
import { z } from "zod";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { COST_DAYS_MAX, COST_HOURS_MAX } from "../limits.ts";
import { csvAnswer, csvField } from "./csv-field.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const BUCKETS = {
  hour: { lengthMs: HOUR_MS, countMax: COST_HOURS_MAX },
  day: { lengthMs: DAY_MS, countMax: COST_DAYS_MAX },
} as const;

const timeMs = z.string().regex(/^[0-9]{1,15}$/);

/** Query of the costs. */
export const costsQuery = z.object({
  from_ms: timeMs.optional().describe("Milliseconds since 1970 UTC; a month ago if absent"),
  to_ms: timeMs.optional().describe("Excluded; now if absent"),
  bucket: z.enum(["hour", "day"]).optional().describe("day if absent"),
  group_by: z.enum(["project", "key", "model"]).optional(),
  format: z.enum(["json", "csv"]).optional(),
});

/** The costs of a tenant that the caller is allowed to see. */
export function costsHandler(deps: EdgeDependencies) {
  return async (
    context: EdgeContext,
    { tenantId }: Pick<Caller, "tenantId">,
  ): Promise<Response> => {
    const parsed = costsQuery.safeParse(context.req.query(), { reportInput: true });
    if (!parsed.success) throw AppError.of(errorOfIssues(parsed.error.issues));
    const { bucket = "day", group_by: groupBy, format = "json" } = parsed.data;
    const nowMs = deps.clock.nowMs();
    const span = {
      fromMs: Number(parsed.data.from_ms ?? Math.max(0, nowMs - 30 * DAY_MS)),
      toMs: Number(parsed.data.to_ms ?? nowMs),
    };
    const { lengthMs, countMax } = BUCKETS[bucket];
    if (span.fromMs >= span.toMs || span.toMs - span.fromMs > countMax * lengthMs) {
      const message = `Invalid 'from_ms': expected a time before 'to_ms' by at most ${countMax} ${bucket}s.`;
      throw new AppError("invalid_value", message, { param: "from_ms" });
    }
    const query = { ...span, bucketMs: lengthMs, groupBy };
    const rows = await costsOf(ledgerOf(deps.ledgers, tenantId), tenantId, query);
    if (rows === undefined) {
      const message = `The answer would have more than ${COST_ROWS_MAX} rows: ask for less time or longer buckets.`;
      throw new AppError("invalid_value", message, { param: "from_ms" });
    }
    if (format === "csv") return costsCsv(rows, groupBy);
    return Response.json({
      object: "fairlane.costs",
      tenant_id: tenantId,
      bucket,
      group_by: groupBy ?? null,
      from_ms: span.fromMs,
      to_ms: span.toMs,
      total_nano_usd: rows.reduce((sum, row) => sum + row.costNanoUsd, 0),
      data: rows.map((row) => costBody(row, groupBy)),
    });
  };
}

function costBody(row: CostRow, groupBy: string | undefined) {
  return {
    start_ms: row.bucketMs,
    ...(groupBy === undefined ? {} : { [groupBy]: row.group }),
    entries: row.entries,
    prompt_tokens: row.promptTokens,
    cached_tokens: row.cachedTokens,
    output_tokens: row.outputTokens,
    cost_nano_usd: row.costNanoUsd,
  };
}

function costsCsv(rows: readonly CostRow[], groupBy: string | undefined): Response {
  const head = ["start", ...(groupBy === undefined ? [] : [groupBy]), "entries", "prompt_tokens"];
  const lines = [[...head, "cached_tokens", "output_tokens", "cost_nano_usd"].join(",")];
  for (const row of rows) {
    const start = new Date(row.bucketMs).toISOString();
    const group = groupBy === undefined ? [] : [csvField(row.group ?? "")];
    const counts = [row.entries, row.promptTokens, row.cachedTokens, row.outputTokens];
    lines.push([start, ...group, ...counts, row.costNanoUsd].join(","));
  }
  return csvAnswer(lines, "costs.csv");
}
