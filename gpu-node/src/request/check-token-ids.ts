// Owns the check that token ids which a client chose are the model's. Invariant: what passes can be written into the
// engine's bias columns.
import type { ErrorValue } from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";

/** The error that names the first stray id, or null. */
export function checkTokenIds(
  request: Pick<EngineRequest, "sampling" | "stopTokenIds">,
  vocabSize: number,
): ErrorValue | null {
  const biased = request.sampling.logitBias?.find(({ token }) => token >= vocabSize);
  if (biased !== undefined) return strayToken("logit_bias", biased.token, vocabSize);
  const stop = request.stopTokenIds.find((token) => token >= vocabSize);
  return stop === undefined ? null : strayToken("stop_token_ids", stop, vocabSize);
}

function strayToken(param: string, token: number, vocabSize: number): ErrorValue {
  const message = `Invalid '${param}': the model has the tokens 0 to ${vocabSize - 1}, not ${token}.`;
  return { code: "invalid_value", message, param };
}
