// Owns the request schema of POST /v1/completions: prompts that are continued as they are, without a chat template.
// Its fields are those of chats but for the prompt, the default of max_tokens and logprobs, which is a number.
import type { Result } from "@fairlane/base";
import { z } from "zod";
import type { ErrorValue } from "../app-error.ts";
import { CHOICES_MAX, COMPLETION_LOGPROBS_MAX } from "../limits.ts";
import { answerFields, checkAnswerFields, checkStreamOptions } from "./answer-fields.ts";
import { choiceCounts } from "./choices.ts";
import type { OffValues } from "./off-values.ts";
import { parseServed } from "./parse-served.ts";
import { inputSchemas, inputsOf, type TextInput } from "./prompt-inputs.ts";

/** Output bound of a completion that names none, as in OpenAI's API. */
export const COMPLETION_TOKENS_DEFAULT = 16;

const prompts = inputSchemas(CHOICES_MAX);

export const completionRequestSchema = z.strictObject({
  ...answerFields,
  prompt: prompts.any,
  /** So many of the likeliest tokens in each place, besides the log-probability of the sampled one. */
  logprobs: z.int().min(0).max(COMPLETION_LOGPROBS_MAX).nullish(),
});

export type CompletionRequest = z.infer<typeof completionRequestSchema>;

const OFF_VALUES: OffValues = { echo: [null, false], suffix: [null, ""] };

/** Validates a decoded JSON body; the error names the first wrong field. */
export function parseCompletionRequest(body: unknown): Result<CompletionRequest, ErrorValue> {
  return parseServed<CompletionRequest>(body, {
    offValues: OFF_VALUES,
    schemaOf: ({ prompt }) => completionRequestSchema.extend({ prompt: prompts.of(prompt) }),
    check: (request) =>
      checkStreamOptions(request) ??
      checkAnswerFields(request, request.max_tokens ?? COMPLETION_TOKENS_DEFAULT) ??
      checkPrompts(request),
  });
}

/** Whether all answers to all prompts are as many as one request may have. */
function checkPrompts(request: CompletionRequest): ErrorValue | null {
  const promptCount = completionPrompts(request).length;
  const { given, computed } = choiceCounts(request);
  if (promptCount > 1 && computed > given) {
    const message = "Unsupported: 'best_of' above 'n' together with several prompts.";
    return { code: "unsupported_parameter", message, param: "best_of" };
  }
  const answers = promptCount * computed;
  if (answers <= CHOICES_MAX) return null;
  const message = `Invalid 'prompt': expected at most ${CHOICES_MAX} answers to all prompts together, but ${promptCount} prompts with ${computed} each are ${answers}.`;
  return { code: "invalid_value", message, param: "prompt" };
}

/** The prompts one by one, in their order. */
export function completionPrompts({ prompt }: CompletionRequest): readonly TextInput[] {
  return inputsOf(prompt);
}

/** How many answers are given: those to the first prompt, then those to the second, and so on. */
export function completionChoices(request: CompletionRequest): number {
  return completionPrompts(request).length * choiceCounts(request).given;
}
