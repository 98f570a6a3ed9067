// Owns the quick look at the frames that a hub gets for every request and every step. In a Worker the schemas cannot be
// compiled and take most of the time of reading a frame, so the common forms of the common frames are recognised by hand;
// any other goes to its schema. Invariant: what is plain is what its schema accepts, and nothing in it would be dropped.
import { NAME_CHARS_MAX, STEP_DELTAS_MAX } from "../limits.ts";
import type { AcceptFrame } from "./accept.ts";
import type { DoneFrame } from "./done.ts";
import type { StepFrame } from "./step.ts";

type Fields = Readonly<Record<string, unknown>>;

/** True of an `accept`, a `step` of texts and a `done` without embeddings, whose fields are in bounds. */
export function isPlainFrame(frame: object): frame is AcceptFrame | StepFrame | DoneFrame {
  const fields = frame as Fields;
  if (fields["type"] === "step") return isPlainStep(fields);
  if (fields["type"] === "accept") return isPlainAccept(fields);
  return fields["type"] === "done" && isPlainDone(fields);
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

function isPlainDone(frame: Fields): boolean {
  const { id, finish_reason: finishReason, usage, error } = frame;
  if (!hasKeys(frame, 5) || !isName(id) || !FINISH_REASONS.has(finishReason)) return false;
  if (error !== null || !isFields(usage) || !hasKeys(usage, 3)) return false;
  const { prompt_tokens: prompt, cached_tokens: cached, completion_tokens: completion } = usage;
  return isCount(prompt) && isCount(cached) && isCount(completion);
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
