// Owns putting an opened model, its tokenizer and template, and the engine's bounds together into what both doors
// serve. Invariant: contextTokens is what one request can really have: the model's context or the page pool.
import type { Clock, Random } from "@fairlane/base";
import type { EngineInfo } from "../engine/engine.ts";
import type { PoolingMode } from "../engine/worker-messages.ts";
import type { OpenedModel } from "../model/open-model.ts";
import { poolTokensOf } from "../scheduler/check-request.ts";
import { ChatTemplate } from "../tokenize/chat-template.ts";
import { Detokenizer } from "../tokenize/detokenizer.ts";
import { Tokenizer } from "../tokenize/tokenizer.ts";
import { AnswerParser } from "../stream/answer-parser.ts";
import { newCallId } from "../stream/call-ids.ts";
import { AnswerGrammars, callableTools } from "./answer-grammar.ts";
import { ChatEncoder } from "./chat-encoder.ts";
import { markIds, modelFormats, type FormatFlags } from "./model-formats.ts";
import { vocabularyOf } from "./vocabulary-of.ts";
import type { Vocabulary } from "../grammar/vocabulary.ts";
import type { ServedModel } from "./prepare-request.ts";

/** [DESIGN 3.3] Output bound of a request that names none. */
const OUTPUT_TOKENS_DEFAULT = 2_048;

export interface ServedModelHandle {
  readonly model: ServedModel;
  readonly vocabulary: Vocabulary;
  close(): Promise<void>;
}

/** Makes the served model. Throws for one that cannot chat. */
export function serveModel(parts: {
  readonly opened: OpenedModel;
  readonly createdSeconds: number;
  readonly info: EngineInfo;
  readonly clock: Clock;
  readonly random: Random;
  readonly flags: FormatFlags;
  /** How embeddings are pooled when a request does not say; the model's own way when absent. */
  readonly pooling?: PoolingMode | undefined;
}): ServedModelHandle {
  const { opened, createdSeconds, info, clock, random } = parts;
  const { id, digest, tokenizerSource, eosTokenIds, chatTemplate } = opened;
  if (!chatTemplate) {
    throw new Error(`The model '${id}' has no chat template; this node serves chat only.`);
  }
  const tokenizer = new Tokenizer(tokenizerSource);
  const template = new ChatTemplate(chatTemplate, clock);
  const formats = modelFormats(template, parts.flags);
  const shownIds = markIds(tokenizer, formats);
  const encoder = new ChatEncoder({
    tokenizer,
    template,
    source: { tokenizer: tokenizerSource, template: chatTemplate },
  });
  const contextTokens = Math.min(opened.contextTokens, info.contextTokens, poolTokensOf(info));
  const model: ServedModel = {
    id,
    digest,
    createdSeconds,
    contextTokens,
    vocabSize: info.vocabSize,
    choicesMax: info.slotCount,
    outputTokensDefault: Math.min(OUTPUT_TOKENS_DEFAULT, contextTokens),
    tokenBytesMax: tokenizer.maxTokenBytes,
    stopTokenIds: eosTokenIds,
    pooling: parts.pooling ?? opened.pooling,
    encodeChat: (chat) => encoder.encode(chat),
    encodeText: (text) => encoder.encodeText(text),
    grammars: new AnswerGrammars(formats),
    makeParser: (body) => {
      const tools = callableTools(body).length > 0 ? formats.tools : null;
      const { reasoning } = formats;
      if (tools === null && reasoning === null) return null;
      return new AnswerParser({ tools, reasoning }, () => newCallId(formats.tools, random));
    },
    tokenBytes: (token) => tokenizer.tokenBytes(token),
    makeDetokenizer: ({ showsMarks = false, isContinuation = false } = {}) => {
      const marks = showsMarks ? shownIds : undefined;
      const detokenizer = new Detokenizer(tokenizer, { shownIds: marks, isContinuation });
      return {
        push: (tokens) => detokenizer.pushAll(tokens),
        flush: () => detokenizer.flush(),
      };
    },
  };
  const vocabulary = vocabularyOf(tokenizer, { size: info.vocabSize, shownIds });
  return { model, vocabulary, close: () => encoder.close() };
}
