// Owns the question how a settled row ends its request: by what was sampled, by the grammar of its answer, or by a
// cancel. Invariant: an answer under a grammar ends with its last token, whether or not a stop token would have come.
import type { ErrorValue } from "@fairlane/protocol";
import type { GrammarStore } from "../grammar/grammar-store.ts";
import type { RunningRequest } from "../request/request.ts";
import { stopReason } from "../request/stop-condition.ts";
import { constrainedAnswer } from "./row-masks.ts";

export type RowEnding =
  | {
      readonly state: "finished";
      readonly reason: "stop" | "length";
      /** A stop token is counted, since it was computed, and has no text. */
      readonly hasText: boolean;
    }
  /** `error` null: it was cancelled. */
  | { readonly state: "aborted"; readonly error: ErrorValue | null; readonly hasText: boolean };

const FINISHED = {
  stop: { state: "finished", reason: "stop", hasText: false },
  complete: { state: "finished", reason: "stop", hasText: true },
  length: { state: "finished", reason: "length", hasText: true },
} as const satisfies Record<string, RowEnding>;
const CANCELLED: RowEnding = { state: "aborted", error: null, hasText: true };
const NO_TOKEN: RowEnding = {
  state: "aborted",
  error: {
    code: "no_token_allowed",
    message: "The answer's grammar leaves none of the model's tokens to go on with.",
    param: null,
  },
  hasText: false,
};

/** How a request for an embedding ends with a chunk of its prompt; null while some of it is left. */
export function pooledEndingOf(request: RunningRequest): RowEnding | null {
  if (request.isCancelRequested) return CANCELLED;
  const { spec, cachedTokens, computedPromptTokens } = request;
  const isComplete = cachedTokens + computedPromptTokens === spec.promptTokens.length;
  return isComplete ? FINISHED.stop : null;
}

/** How the request ends with its row, whose token its outputs already have; null while it goes on. */
export function endingOf(
  request: RunningRequest,
  row: { readonly isSampled: boolean; readonly token: number | null },
  grammars: GrammarStore,
): RowEnding | null {
  const { token } = row;
  if (token !== null) {
    const reason = stopReason(request, token);
    if (reason === "stop") return FINISHED.stop;
    const answer = constrainedAnswer(request);
    if (answer !== null && grammars.isComplete(answer)) return FINISHED.complete;
    if (reason === "length") return FINISHED.length;
  }
  if (request.isCancelRequested) return CANCELLED;
  return row.isSampled && token === null ? NO_TOKEN : null;
}
