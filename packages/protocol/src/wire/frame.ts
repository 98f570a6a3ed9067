// Owns the two directions of the link as unions and the bounded parse of a text frame. A frame of an unknown
// type is reported as such, so that an older peer can ignore what a newer one adds.
import { err, ok, type Result } from "@fairlane/base";
import { z } from "zod";
import { BATCH_FRAMES_MAX, FRAME_CHARS_MAX } from "../limits.ts";
import { acceptFrame, refuseFrame } from "./accept.ts";
import { doneFrame } from "./done.ts";
import { isPlainFrame } from "./plain-frame.ts";
import { serviceFrame } from "./fair-share.ts";
import { grantFrame } from "./grant.ts";
import { heartbeatFrame } from "./heartbeat.ts";
import { helloFrame, welcomeFrame } from "./hello.ts";
import { attachedFrame, attachFrame, resumeFrame } from "./resume.ts";
import { stepFrame } from "./step.ts";
import { cancelFrame, submitFrame } from "./submit.ts";
import { ackFrame, usageFrame } from "./usage.ts";

const nodeFrame = z.discriminatedUnion("type", [
  helloFrame,
  acceptFrame,
  refuseFrame,
  stepFrame,
  doneFrame,
  usageFrame,
  heartbeatFrame,
  attachedFrame,
]);

const hubFrame = z.discriminatedUnion("type", [
  welcomeFrame,
  submitFrame,
  cancelFrame,
  grantFrame,
  ackFrame,
  serviceFrame,
  resumeFrame,
  attachFrame,
]);

/** Frames that a node sends. */
export type NodeFrame = z.infer<typeof nodeFrame>;
/** Frames that a hub sends. */
export type HubFrame = z.infer<typeof hubFrame>;

export type FrameError =
  | { readonly kind: "unknown_type"; readonly type: string }
  | { readonly kind: "malformed"; readonly message: string };

/** What one end may send. */
interface Direction<T> {
  readonly schema: z.ZodType<T>;
  readonly types: ReadonlySet<string>;
  /** True of frames that need not be held against the schema. */
  readonly isPlain: (frame: object) => frame is T & object;
}

function parseFrame<T>(direction: Direction<T>, text: string): Result<T, FrameError> {
  const json = parseText(text);
  return json.ok ? readFrame(direction, json.value) : json;
}

function parseText(text: string): Result<unknown, FrameError> {
  if (text.length > FRAME_CHARS_MAX) {
    return malformed(`frame has ${text.length} characters, bound ${FRAME_CHARS_MAX}`);
  }
  try {
    return ok(JSON.parse(text) as unknown);
  } catch {
    return malformed("frame is not JSON");
  }
}

function readFrame<T>(direction: Direction<T>, json: unknown): Result<T, FrameError> {
  const { schema, types, isPlain } = direction;
  const frame = typeof json === "object" && json !== null ? json : {};
  const type = "type" in frame ? frame.type : undefined;
  if (typeof type !== "string") return malformed("frame has no type");
  if (!types.has(type)) return err({ kind: "unknown_type", type: type.slice(0, 64) });
  if (isPlain(frame)) return ok(frame);
  const parsed = schema.safeParse(json);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  // The path and zod's wording only: values may be prompt text.
  return malformed(`${type}.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`);
}

function malformed(message: string): Result<never, FrameError> {
  return err({ kind: "malformed", message });
}

const NODE: Direction<NodeFrame> = {
  schema: nodeFrame,
  types: new Set(["hello", "accept", "refuse", "step", "done", "usage", "heartbeat", "attached"]),
  isPlain: isPlainFrame,
};
const HUB: Direction<HubFrame> = {
  schema: hubFrame,
  types: new Set(["welcome", "submit", "cancel", "grant", "ack", "service", "resume", "attach"]),
  isPlain: (_frame): _frame is never => false,
};

/** Parses what a node sent. */
export function parseNodeFrame(text: string): Result<NodeFrame, FrameError> {
  return parseFrame(NODE, text);
}

/** Parses a message of a node: a frame, or the several of a batch in their order. */
export function parseNodeMessage(text: string): readonly Result<NodeFrame, FrameError>[] {
  const json = parseText(text);
  if (!json.ok) return [json];
  if (!Array.isArray(json.value)) return [readFrame(NODE, json.value)];
  const frames: readonly unknown[] = json.value;
  if (frames.length >= 1 && frames.length <= BATCH_FRAMES_MAX) {
    return frames.map((frame) => readFrame(NODE, frame));
  }
  return [malformed(`batch has ${frames.length} frames, bound ${BATCH_FRAMES_MAX}`)];
}

/** Parses what a hub sent. */
export function parseHubFrame(text: string): Result<HubFrame, FrameError> {
  return parseFrame(HUB, text);
}
