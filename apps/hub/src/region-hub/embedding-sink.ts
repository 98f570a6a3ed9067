// Owns the answer to an embeddings request as one JSON body, once the node has sent all vectors. Its reader cannot be
// noticed to be gone, so a deadline ends the request instead.
import {
  embeddingList,
  type ChatHead,
  type EmbedOutcome,
  type ErrorValue,
  type FinishReason,
  type TokenCounts,
} from "@fairlane/protocol";
import type { AnswerSink, FinishExtras, SinkState } from "./answer-sink.ts";

export class EmbeddingSink implements AnswerSink {
  /** Resolves when the request is done or failed. Never rejects. */
  readonly outcome: Promise<EmbedOutcome>;
  #resolve: (outcome: EmbedOutcome) => void = () => {};
  readonly #isBase64: boolean;
  #head: ChatHead | undefined;
  readonly bufferedBytes = 0;

  constructor(options: { readonly isBase64: boolean }) {
    this.#isBase64 = options.isBase64;
    this.outcome = new Promise((resolve) => (this.#resolve = resolve));
  }

  accept(head: ChatHead): void {
    this.#head = head;
  }

  write(): SinkState {
    return "open";
  }

  finishChoice(): SinkState {
    return "open";
  }

  finish(_: FinishReason, counts: TokenCounts, { embeddings = [] }: FinishExtras = {}): void {
    if (!this.#head) return;
    const vectors = this.#isBase64 ? embeddings : embeddings.map(numbersOf);
    const { promptTokens } = counts;
    const list = embeddingList(this.#head.model, { embeddings: vectors, promptTokens });
    this.#resolve({ ok: true, list });
  }

  fail(error: ErrorValue): void {
    this.#resolve({ ok: false, error, accepted: this.#head !== undefined });
  }

  tick(): SinkState {
    return "open";
  }

  cut(): void {
    const message = "The hub dropped the answer for want of memory.";
    this.fail({ code: "overloaded", message, param: null });
  }
}

/** Little-endian f32 out of base64. */
function numbersOf(text: string): number[] {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) =>
    view.getFloat32(at * 4, true),
  );
}
