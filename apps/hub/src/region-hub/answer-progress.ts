// Owns what a node's deltas do to an answer: offsets are checked and counted, then the sink hears of them. Invariant: an
// answer's token offsets have no gap and no overlap, and each of several choices ends once, also when frames come again
// after a lost link.
import type { StepFrame } from "@fairlane/protocol";
import type { SinkState } from "./answer-sink.ts";
import type { LiveRequest } from "./live-request.ts";

export type Delta = StepFrame["deltas"][number];
export type ChoiceEnd = NonNullable<StepFrame["ends"]>[number];

/** Takes a delta; "disorder" when it does not continue the answer. */
export function applyDelta(live: LiveRequest, delta: Delta, nowMs: number): SinkState | "disorder" {
  const { placement, sink } = live;
  const { text, logprobs, reasoning, calls, choice = 0 } = delta;
  if (placement.state !== "answering") return "disorder";
  if (delta.from !== placement.choiceTokens[choice]) return "disorder";
  placement.outputTokens += delta.n;
  placement.choiceTokens[choice] = delta.from + delta.n;
  if (text === "" && !logprobs && !reasoning && !calls) return "open";
  const tokenIndex = placement.outputTokens - 1;
  return sink.write({ text, choice, logprobs, reasoning, calls, tokenIndex, nowMs });
}

/** Takes the end of one of several choices. */
export function applyChoiceEnd({ placement, sink }: LiveRequest, end: ChoiceEnd, nowMs: number) {
  if (placement.state !== "answering" || placement.endedChoices.has(end.choice)) return "open";
  placement.endedChoices.add(end.choice);
  return sink.finishChoice(end.choice, end.finish_reason, nowMs);
}
