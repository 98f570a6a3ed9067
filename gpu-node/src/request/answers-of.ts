// Owns how the answers to one prompt are sampled and what ends them, for chats and completions alike.
import { err, ok, type Random, type Result } from "@fairlane/base";
import { choiceCounts, type AnswerFields, type ErrorValue } from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { choiceSeed, samplingParams, type SamplingFields } from "./sampling-params.ts";

type Answers = Pick<EngineRequest, "sampling" | "forks" | "stopTokenIds">;

interface ModelBounds {
  readonly choicesMax: number;
  readonly stopTokenIds: readonly number[];
}

/** The first as one alone would be, the others by seeds of their own. */
export function answersOf(
  body: Omit<AnswerFields, "logprobs"> & SamplingFields,
  requestId: string,
  parts: { readonly model: ModelBounds; readonly random: Random },
): Result<Answers, ErrorValue> {
  const { model, random } = parts;
  const { given, computed } = choiceCounts(body);
  if (computed > model.choicesMax) return err(tooManyChoices({ given, computed }, model));
  const params = samplingParams(body, random);
  const ends = { stopTokenIds: stopTokenIds(body, model) };
  if (computed === 1) return ok({ ...ends, sampling: params });
  const forks = Array.from({ length: computed - 1 }, (_, index) => ({
    requestId: `${requestId}#${index + 1}`,
    ...choiceSeed(params, index + 1),
  }));
  // The likeliest are found by their log-probabilities.
  const sampling = given < computed ? { topLogprobs: 0, ...params } : params;
  return ok({ ...ends, sampling, forks });
}

function tooManyChoices(
  { given, computed }: { readonly given: number; readonly computed: number },
  { choicesMax }: ModelBounds,
): ErrorValue {
  const param = given > choicesMax ? "n" : "best_of";
  const message = `Invalid '${param}': this node computes at most ${choicesMax} answers at once, not ${computed}.`;
  return { code: "invalid_value", message, param };
}

/** The model's end tokens, unless the client wants them ignored, and the client's own. */
function stopTokenIds(body: AnswerFields, model: ModelBounds): readonly number[] {
  const own = body.ignore_eos === true ? [] : model.stopTokenIds;
  return [...new Set([...own, ...(body.stop_token_ids ?? [])])];
}
