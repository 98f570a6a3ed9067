// Owns the answer to an embeddings request: collects one vector per input and answers once, or with an error status.
import { embeddingList } from "@fairlane/protocol";
import { embeddingText } from "../stream/embedding-text.ts";
import type { AnswerSink, ChoiceEnd, StreamEnd } from "../stream/token-stream.ts";
import { sendError, sendJson, type Exchange } from "./exchange.ts";

export class EmbeddingSink implements AnswerSink {
  readonly #exchange: Exchange;
  readonly #options: { readonly model: string; readonly isBase64: boolean };
  readonly #vectors: (Float32Array | undefined)[] = [];

  constructor(exchange: Exchange, options: { readonly model: string; readonly isBase64: boolean }) {
    this.#exchange = exchange;
    this.#options = options;
  }

  tokens(): void {
    throw new Error("an embedding has no text");
  }

  choiceEnded({ choice, embedding }: ChoiceEnd): void {
    this.#vectors[choice] = embedding;
  }

  ended(end: StreamEnd): void {
    if (end.error) return sendError(this.#exchange, end.error);
    // Only a lost client's request is cancelled without an error.
    if (end.reason === "cancelled") return;
    if (end.embedding !== undefined) this.#vectors[0] = end.embedding;
    const { model, isBase64 } = this.#options;
    const embeddings = this.#vectors.map((vector = new Float32Array()) =>
      isBase64 ? embeddingText(vector) : [...vector],
    );
    const { promptTokens } = end;
    sendJson(this.#exchange, 200, embeddingList(model, { embeddings, promptTokens }));
  }
}
