// Owns N0 of completions: a parsed request becomes one request to the engine per prompt, or the error that the client
// sees. Invariant: each prompt has at least one token, all of them the model's, and fits with its whole output into the
// context; the answers to it share its pages.
import { err, ok, type Random, type Result } from "@fairlane/base";
import {
  COMPLETION_TOKENS_DEFAULT,
  completionPrompts,
  type CompletionRequest,
  type ErrorValue,
  type TextInput,
} from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { answersOf } from "./answers-of.ts";
import { checkTokenIds } from "./check-token-ids.ts";
import { modelRefusal, type RequestTerms, type ServedModel } from "./prepare-request.ts";
import { tokensOf } from "./text-input.ts";

interface Parts {
  readonly model: ServedModel;
  readonly random: Random;
}

/** Checks the name, tokenises, sizes. */
export async function prepareCompletions(
  input: { readonly body: CompletionRequest; readonly terms: RequestTerms },
  parts: Parts,
): Promise<Result<readonly EngineRequest[], ErrorValue>> {
  const { body, terms } = input;
  const { model } = parts;
  const unknown = modelRefusal(body.model, terms, model);
  if (unknown !== null) return err(unknown);
  const prompts = completionPrompts(body);
  const requests: EngineRequest[] = [];
  for (const [index, prompt] of prompts.entries()) {
    const request = await prepareOne(
      {
        body,
        prompt,
        param: prompts.length === 1 ? "prompt" : `prompt.${index}`,
        // The first has the request's own id; those of its further answers begin with it and "#" as well.
        terms: index === 0 ? terms : { ...terms, requestId: `${terms.requestId}#p${index}` },
      },
      parts,
    );
    if (!request.ok) return request;
    requests.push(request.value);
  }
  return ok(requests);
}

async function prepareOne(
  input: {
    readonly body: CompletionRequest;
    readonly prompt: TextInput;
    readonly param: string;
    readonly terms: RequestTerms;
  },
  parts: Parts,
): Promise<Result<EngineRequest, ErrorValue>> {
  const { body, prompt, param, terms } = input;
  const { model } = parts;
  const { tenantSalt, ...rest } = terms;
  const encoded = await tokensOf(prompt, param, model);
  if (!encoded.ok) return encoded;
  const promptTokens = typeof prompt === "string" ? openEnded(encoded.value, model) : encoded.value;
  const room = outputRoom(body, { promptTokens: promptTokens.length, param }, model);
  if (!room.ok) return room;
  const { logprobs } = body;
  const hasLogprobs = logprobs !== undefined && logprobs !== null;
  const fields = { ...body, logprobs: hasLogprobs, top_logprobs: logprobs };
  const answers = answersOf(fields, terms.requestId, parts);
  if (!answers.ok) return answers;
  const request: EngineRequest = {
    ...rest,
    ...(body.cache_prompt === false ? {} : { tenantSalt }),
    promptTokens,
    maxOutputTokens: room.value,
    ...answers.value,
  };
  const stray = checkTokenIds(request, model.vocabSize);
  return stray === null ? ok(request) : err(stray);
}

/** Without the end token that some tokenizers put behind a text: it would be complete, and is to go on. */
function openEnded(tokens: Int32Array, { stopTokenIds }: ServedModel): Int32Array {
  const last = tokens.at(-1);
  const isEnded = tokens.length > 1 && last !== undefined && stopTokenIds.includes(last);
  return isEnded ? tokens.subarray(0, -1) : tokens;
}

/** The most tokens of an answer: as asked for, which must fit, or the default as far as it fits. */
function outputRoom(
  { max_tokens: asked }: CompletionRequest,
  { promptTokens, param }: { readonly promptTokens: number; readonly param: string },
  { contextTokens }: ServedModel,
): Result<number, ErrorValue> {
  const room = contextTokens - promptTokens;
  if (asked === undefined || asked === null) return ok(Math.min(COMPLETION_TOKENS_DEFAULT, room));
  if (asked <= room) return ok(asked);
  const message =
    `This model's maximum context length is ${contextTokens} tokens. However, you requested ${promptTokens + asked} tokens ` +
    `(${promptTokens} in '${param}', ${asked} in the completion). Please reduce the prompt or 'max_tokens'.`;
  return err({ code: "context_length_exceeded", message, param });
}
