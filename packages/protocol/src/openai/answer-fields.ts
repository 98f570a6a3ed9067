// Owns the fields that chats and completions have in common: which model, how tokens are sampled, how many answers,
// what ends them, and whether they are streamed; and the check that they fit together.
import { z } from "zod";
import type { ErrorValue } from "../app-error.ts";
import {
  CHOICES_MAX,
  LOGIT_BIAS_ENTRIES_MAX,
  NAME_CHARS_MAX,
  OUTPUT_TOKENS_MAX,
  REPETITION_PENALTY_MAX,
  REPETITION_PENALTY_MIN,
  STOP_CHARS_MAX,
  STOP_STRINGS_MAX,
  STOP_TOKEN_IDS_MAX,
  TOKEN_ID_MAX,
} from "../limits.ts";
import { checkBestOf } from "./choices.ts";

// A lone surrogate is no text: it could only match half a character.
const stopString = z
  .string()
  .min(1)
  .max(STOP_CHARS_MAX)
  .refine((text) => text.isWellFormed(), { message: "not well-formed Unicode" });

// Keys are token ids as JSON has them: decimal, without leading zeros.
const logitBias = z
  .record(z.string().max(NAME_CHARS_MAX), z.number().min(-100).max(100))
  .refine((bias) => Object.keys(bias).length <= LOGIT_BIAS_ENTRIES_MAX, {
    message: `at most ${LOGIT_BIAS_ENTRIES_MAX} entries`,
  })
  .refine(
    (bias) =>
      Object.keys(bias).every((id) => /^(0|[1-9]\d{0,6})$/.test(id) && Number(id) <= TOKEN_ID_MAX),
    { message: `keys must be token ids from 0 to ${TOKEN_ID_MAX}` },
  );

export const answerFields = {
  model: z.string().min(1).max(NAME_CHARS_MAX).optional(),
  max_tokens: z.int().min(1).max(OUTPUT_TOKENS_MAX).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  // Not OpenAI's, but vLLM's and Hugging Face's: top_k, min_p, typical_p, repetition_penalty, min_tokens,
  // stop_token_ids, ignore_eos.
  top_k: z.int().min(0).max(1_000_000).nullish(),
  seed: z.int().nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  typical_p: z.number().gt(0).max(1).nullish(),
  repetition_penalty: z.number().min(REPETITION_PENALTY_MIN).max(REPETITION_PENALTY_MAX).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: logitBias.nullish(),
  min_tokens: z.int().min(0).max(OUTPUT_TOKENS_MAX).nullish(),
  n: z.int().min(1).max(CHOICES_MAX).nullish(),
  // OpenAI's completions have it, its chats do not: of so many answers the n likeliest are given.
  best_of: z.int().min(1).max(CHOICES_MAX).nullish(),
  stop: z.union([stopString, z.array(stopString).max(STOP_STRINGS_MAX)]).nullish(),
  stop_token_ids: z.array(z.int().min(0).max(TOKEN_ID_MAX)).max(STOP_TOKEN_IDS_MAX).nullish(),
  ignore_eos: z.boolean().nullish(),
  // Not OpenAI's, but llama.cpp's: false keeps the prompt out of the prefix cache, both ways.
  cache_prompt: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).nullish(),
  user: z.string().max(NAME_CHARS_MAX).optional(),
};

const shared = z.object(answerFields);
/** What chats and completions both say. */
export type AnswerFields = z.infer<typeof shared>;

/** The error of streaming options without a stream, or null. */
export function checkStreamOptions(fields: AnswerFields): ErrorValue | null {
  if (!fields.stream_options || fields.stream === true) return null;
  const message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
  return { code: "invalid_value", message, param: "stream_options" };
}

/**
 * The error of the first field that does not go with the others, or null.
 * @param outputTokens the most that an answer may have; undefined when the request does not say
 */
export function checkAnswerFields(
  fields: AnswerFields,
  outputTokens: number | undefined,
): ErrorValue | null {
  const choicesError = checkBestOf(fields);
  if (choicesError !== null) return choicesError;
  const minTokens = fields.min_tokens ?? 0;
  if (outputTokens === undefined || minTokens <= outputTokens) return null;
  const message = `Invalid 'min_tokens': expected at most the output maximum of ${outputTokens}, but got ${minTokens} instead.`;
  return { code: "invalid_value", message, param: "min_tokens" };
}

/** The texts that end the answer, none by default. */
export function stopStrings({ stop }: Pick<AnswerFields, "stop">): readonly string[] {
  return typeof stop === "string" ? [stop] : (stop ?? []);
}
