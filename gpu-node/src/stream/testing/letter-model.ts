// For tests: a served model whose tokens are characters, so that token counts and texts can be read off.
import { AppError, messageText } from "@fairlane/protocol";
import { AnswerGrammars } from "../../request/answer-grammar.ts";
import type { ServedModel } from "../../request/prepare-request.ts";

export const LETTER_MODEL: ServedModel = {
  id: "letters",
  digest: "sha256-letters",
  createdSeconds: 1_700_000_000,
  contextTokens: 64,
  vocabSize: 1_000,
  choicesMax: 4,
  outputTokensDefault: 16,
  tokenBytesMax: 1,
  stopTokenIds: [0],
  grammars: new AnswerGrammars({ tools: "hermes", reasoning: null }),
  makeParser: () => null,
  encodeChat({ messages }) {
    const text = messages.map((message) => messageText(message.content)).join("");
    if (text.includes("refuse")) {
      throw new AppError("invalid_messages", "The template refuses this.", { param: "messages" });
    }
    return Promise.resolve(Int32Array.from(text, (char) => char.charCodeAt(0)));
  },
  pooling: "last",
  encodeText: (text) => Promise.resolve(Int32Array.from(text, (char) => char.charCodeAt(0))),
  tokenBytes: (token) => new TextEncoder().encode(String.fromCharCode(token)),
  makeDetokenizer: () => ({
    push: (tokens) => String.fromCharCode(...tokens),
    flush: () => "",
  }),
};
