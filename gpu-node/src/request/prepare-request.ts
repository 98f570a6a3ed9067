// Owns N0 for both doors (link and HTTP): a parsed chat request becomes what the engine computes, or the error that
// the client sees. Invariant: what leaves here names the served model, has at least one prompt token, and its prompt
// and whole output fit into the context.
import { err, ok, type Random, type Result } from "@fairlane/base";
import {
  AppError,
  messageText,
  requestedOutputTokens,
  type ChatMessage,
  type ChatRequest,
  type ErrorValue,
} from "@fairlane/protocol";
import type { WantedAdapter } from "../adapters/adapter.ts";
import type { EngineRequest, PoolingMode } from "../engine/worker-messages.ts";
import type { AnswerParser } from "../stream/answer-parser.ts";
import type { Detokenizer, DetokenizerOptions } from "../stream/token-stream.ts";
import type { ChatPrompt } from "../tokenize/tool-prompt.ts";
import type { AnswerGrammars } from "./answer-grammar.ts";
import { answersOf } from "./answers-of.ts";
import { checkTokenIds } from "./check-token-ids.ts";
import type { OutputGrant } from "./output-grant.ts";

/** What a door needs of the model that the node serves. */
export interface ServedModel {
  readonly id: string;
  readonly digest: string;
  /** Seconds since 1970. */
  readonly createdSeconds: number;
  /** Tokens that prompt and output of one request may have together: the model's context or the page pool. */
  readonly contextTokens: number;
  /** Token ids are below. */
  readonly vocabSize: number;
  readonly outputTokensDefault: number;
  /** Answers to one request: all of them run at once. */
  readonly choicesMax: number;
  /** Bytes of the longest token: a text of n bytes has at least n / tokenBytesMax tokens. */
  readonly tokenBytesMax: number;
  /** How embeddings are pooled when a request does not say. */
  readonly pooling: PoolingMode;
  readonly stopTokenIds: readonly number[];
  /** Token ids of a chat with the template applied. Throws AppError `invalid_messages` where the template refuses. */
  encodeChat(chat: ChatPrompt): Promise<Int32Array>;
  /** Token ids of a text that stands alone. */
  encodeText(text: string): Promise<Int32Array>;
  readonly grammars: AnswerGrammars;
  makeDetokenizer(options?: DetokenizerOptions): Detokenizer;
  /** What reads an answer's text; null when all of it is content. */
  makeParser(body: ChatRequest): AnswerParser | null;
  /** The bytes that a token stands for. */
  tokenBytes(token: number): Uint8Array;
}

/** Who sent a request and under which terms; the link's submit frame says it, HTTP has its own. */
export interface RequestTerms {
  readonly requestId: string;
  readonly tenantId: string;
  /** Absent where the door knows of no keys. */
  readonly keyId?: string;
  /** Derived by the server from the tenant, never sent by a client. */
  readonly tenantSalt: string;
  readonly weight: number;
  readonly tier: "interactive" | "batch";
  /** What the model runs with; the door has resolved the name of the model to it. Absent: nothing. */
  readonly adapter?: WantedAdapter;
  readonly receivedAtMs: number;
  readonly deadlineMs: number;
  readonly grant?: OutputGrant;
}

/** Checks the name, renders, tokenises, sizes. */
export async function prepareRequest(
  input: { readonly body: ChatRequest; readonly terms: RequestTerms },
  parts: { readonly model: ServedModel; readonly random: Random },
): Promise<Result<EngineRequest, ErrorValue>> {
  const { body, terms } = input;
  const { model } = parts;
  const { tenantSalt, ...rest } = terms;
  // 1. the model
  const unknown = modelRefusal(body.model, terms, model);
  if (unknown !== null) return err(unknown);
  // 2. the prompt
  const prompt = await encodePrompt(model, promptOf(body));
  if (!prompt.ok) return prompt;
  // 3. what the answer has to follow
  const grammar = model.grammars.of(body);
  if (!grammar.ok) return grammar;
  // 4. the room for the answer
  const room = outputRoom(prompt.value.length, requestedOutputTokens(body), model);
  if (!room.ok) return room;
  // 5. sampling
  const answers = answersOf(body, terms.requestId, parts);
  if (!answers.ok) return answers;
  const request: EngineRequest = {
    ...rest,
    ...(body.cache_prompt === false ? {} : { tenantSalt }),
    promptTokens: prompt.value,
    maxOutputTokens: room.value,
    ...answers.value,
    ...(grammar.value === null ? {} : { grammar: grammar.value }),
  };
  const stray = checkTokenIds(request, model.vocabSize);
  return stray === null ? ok(request) : err(stray);
}

/** The tokens of a chat's prompt, as a request with it would have them; however long, within the tokenisers' bounds. */
export async function countPrompt(
  body: ChatRequest,
  model: ServedModel,
): Promise<Result<number, ErrorValue>> {
  if (body.model !== undefined && body.model !== model.id) return err(modelNotFound(body.model));
  const prompt = await encoded(model, promptOf(body));
  return prompt.ok ? ok(prompt.value.length) : prompt;
}

/** The messages, and the tools unless they are not to be called. */
function promptOf({ messages, tools, tool_choice }: ChatRequest): ChatPrompt {
  return tools?.length && tool_choice !== "none" ? { messages, tools } : { messages };
}

/** The error of a request that names neither the model nor an adapter of it; null otherwise. */
export function modelRefusal(
  name: string | undefined,
  { adapter }: RequestTerms,
  { id }: Pick<ServedModel, "id">,
): ErrorValue | null {
  return name === undefined || name === id || adapter !== undefined ? null : modelNotFound(name);
}

/** OpenAI's error for a model that this node does not serve. */
export function modelNotFound(name: string): ErrorValue {
  const message = `The model '${name}' does not exist or you do not have access to it.`;
  return { code: "model_not_found", message, param: "model" };
}

async function encodePrompt(
  model: ServedModel,
  chat: ChatPrompt,
): Promise<Result<Int32Array, ErrorValue>> {
  // Far too long a prompt is refused without the seconds that tokenising it would take.
  const atLeast = tokensAtLeast(chat.messages, model);
  if (atLeast >= model.contextTokens) return err(promptTooLong(`at least ${atLeast}`, model));
  return encoded(model, chat);
}

async function encoded(
  model: ServedModel,
  chat: ChatPrompt,
): Promise<Result<Int32Array, ErrorValue>> {
  try {
    const tokens = await model.encodeChat(chat);
    if (tokens.length > 0) return ok(tokens);
    return err({
      code: "invalid_messages",
      message: "The messages make an empty prompt.",
      param: "messages",
    });
  } catch (error) {
    if (error instanceof AppError) return err(error.value);
    throw error;
  }
}

function outputRoom(
  promptTokens: number,
  askedTokens: number | undefined,
  model: ServedModel,
): Result<number, ErrorValue> {
  const { contextTokens } = model;
  if (promptTokens >= contextTokens) return err(promptTooLong(String(promptTokens), model));
  if (askedTokens !== undefined && promptTokens + askedTokens > contextTokens) {
    const message =
      `${contextIntro(model)} you requested ${promptTokens + askedTokens} tokens (${promptTokens} in the messages, ${askedTokens} ` +
      `in the completion). Please reduce the length of the messages or completion.`;
    return err({ code: "context_length_exceeded", message, param: "messages" });
  }
  return ok(askedTokens ?? Math.min(model.outputTokensDefault, contextTokens - promptTokens));
}

function promptTooLong(promptTokens: string, model: ServedModel): ErrorValue {
  const message = `${contextIntro(model)} your messages resulted in ${promptTokens} tokens. Please reduce the length of the messages.`;
  return { code: "context_length_exceeded", message, param: "messages" };
}

function contextIntro({ contextTokens }: ServedModel): string {
  return `This model's maximum context length is ${contextTokens} tokens. However,`;
}

/** A lower bound of the prompt's tokens; templates may trim messages, and some tokenisers compose characters. */
function tokensAtLeast(messages: readonly ChatMessage[], model: ServedModel): number {
  const texts = messages.map(({ content }) => messageText(content));
  const ofTexts = (all: readonly string[]) =>
    Math.floor(all.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / model.tokenBytesMax);
  const atLeast = ofTexts(texts);
  if (atLeast < model.contextTokens) return atLeast;
  return ofTexts(texts.map((text) => text.trim().normalize("NFC")));
}
