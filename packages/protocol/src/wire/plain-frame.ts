// Owns the quick look at the frames that a hub gets for every request and every step. In a Worker the schemas cannot be
// compiled and take most of the time of reading a frame, so the common forms of the common frames are recognised by hand;
// any other goes to its schema. Invariant: what is plain is what its schema accepts, and nothing in it would be dropped.
import { NAME_CHARS_MAX, STEP_DELTAS_MAX, USAGE_RECORDS_MAX } from "../limits.ts";
import type { AcceptFrame } from "./accept.ts";
import type { DoneFrame } from "./done.ts";
import type { StepFrame } from "./step.ts";
import type { UsageFrame } from "./usage.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Those of the frames that a hub gets often, in their common form. */
export type PlainFrame = AcceptFrame | StepFrame | DoneFrame | UsageFrame;

/** True of an `accept`, a `step` of texts, a `done` without embeddings and a `usage`, whose fields are in bounds. */
export function isPlainFrame(frame: object): frame is PlainFrame {
  const fields = frame as Fields;
  switch (fields["type"]) {
    case "step":
      return isPlainStep(fields);
    case "accept":
      return isPlainAccept(fields);
    case "done":
      return isPlainDone(fields);
    case "usage":
      return isPlainUsage(fields);
    default:
      return false;
  }
}

function isPlainStep(frame: Fields): boolean {
  const { deltas } = frame;
  if (!hasKeys(frame, 3) || !isCount(frame["step"]) || !Array.isArray(deltas)) return false;
  return deltas.length <= STEP_DELTAS_MAX && deltas.every(isPlainDelta);
}

function isPlainDelta(delta: unknown): boolean {
  if (!isFields(delta) || !hasKeys(delta, 4)) return false;
  const { id, from, n, text } = delta;
  return isName(id) && isCount(from) && isCount(n) && n > 0 && typeof text === "string";
}

function isPlainAccept(frame: Fields): boolean {
  const { id, model, prompt_tokens: promptTokens } = frame;
  return hasKeys(frame, 4) && isName(id) && isName(model) && isCount(promptTokens);
}

const FINISH_REASONS: ReadonlySet<unknown> = new Set(["stop", "length", "cancelled"]);
const RECORD_REASONS: ReadonlySet<unknown> = new Set([...FINISH_REASONS, "error", "node_lost"]);

function isPlainDone(frame: Fields): boolean {
  const { id, finish_reason: finishReason, usage, error } = frame;
  if (!hasKeys(frame, 5) || !isName(id) || !FINISH_REASONS.has(finishReason)) return false;
  if (error !== null || !isFields(usage) || !hasKeys(usage, 3)) return false;
  const { prompt_tokens: prompt, cached_tokens: cached, completion_tokens: completion } = usage;
  return isCount(prompt) && isCount(cached) && isCount(completion);
}

/** One whose node was told nothing of these tenants yet has no `acked`. */
function isPlainUsage(frame: Fields): boolean {
  const { node_id: nodeId, epoch, records, acked } = frame;
  if (!hasKeys(frame, "acked" in frame ? 5 : 4) || !isName(nodeId)) return false;
  if (!isPositive(epoch) || !isList(records) || records.length === 0) return false;
  if ("acked" in frame && !(isList(acked) && acked.every(isPlainAcked))) return false;
  return records.every(isPlainRecord);
}

function isPlainAcked(acked: unknown): boolean {
  if (!isFields(acked) || !hasKeys(acked, 2)) return false;
  return isName(acked["tenant_id"]) && isPositive(acked["seq"]);
}

const RECORD_NAMES = [
  "tenant_id",
  "request_id",
  "project_id",
  "key_id",
  "model",
  "price_version",
] as const;
const RECORD_COUNTS = [
  "prompt_tokens",
  "cached_tokens",
  "computed_prompt_tokens",
  "output_tokens",
  "received_at_ms",
  "queue_ms",
  "ended_at_ms",
] as const;
/** Those, and `seq`, `attempt`, `final`, `finish_reason` and `ttft_ms`. */
const RECORD_KEYS = RECORD_NAMES.length + RECORD_COUNTS.length + 5;

function isPlainRecord(record: unknown): boolean {
  if (!isFields(record) || !hasKeys(record, RECORD_KEYS)) return false;
  const { seq, attempt, final, finish_reason: finishReason, ttft_ms: ttftMs } = record;
  if (!isPositive(seq) || !isPositive(attempt) || typeof final !== "boolean") return false;
  if (!RECORD_REASONS.has(finishReason) || !(ttftMs === null || isCount(ttftMs))) return false;
  return (
    RECORD_NAMES.every((name) => isName(record[name])) &&
    RECORD_COUNTS.every((name) => isCount(record[name]))
  );
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= USAGE_RECORDS_MAX;
}

function isPositive(value: unknown): boolean {
  return isCount(value) && value > 0;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Exactly as many fields as the plain form has; each of them is looked at by name. */
function hasKeys(fields: Fields, count: number): boolean {
  return Object.keys(fields).length === count;
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value.length >= 1 && value.length <= NAME_CHARS_MAX;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
