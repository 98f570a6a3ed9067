// Owns what was sent of answers, live ones and those that ended a short while ago, so that it can be sent again from any
// token on. Bounded by the parts that are kept: first the oldest ended answers go, then the beginnings of the oldest live
// ones, which can then be resumed only from where they are. Invariant: an answer's parts are those of its frames, in order.
import { assert } from "@fairlane/base";
import type { DoneFrame, StepFrame } from "@fairlane/protocol";
import { ENDED_ANSWERS_KEPT_MS, KEPT_PARTS_MAX } from "./limits.ts";

export type WireDelta = StepFrame["deltas"][number];
export type WireEnd = NonNullable<StepFrame["ends"]>[number];

/** What is known of an answer besides its tokens. */
export interface AnswerFacts {
  readonly tenantId: string;
  readonly model: string;
  readonly promptTokens: number;
  /** The hub's note; without one nobody can attach to the answer. */
  readonly form: string | undefined;
  /** What each answer may have by the hub's newest word; undefined where nothing bounds it. */
  grantTokens?: number | undefined;
}

/** What follows a token of an answer. */
export interface Rest {
  readonly deltas: readonly WireDelta[];
  readonly ends: readonly WireEnd[];
  /** Null while the answer goes on. */
  readonly done: DoneFrame | null;
}

interface Answer {
  readonly facts: AnswerFacts;
  readonly parts: { readonly at: number; readonly delta?: WireDelta; readonly end?: WireEnd }[];
  /** Tokens whose parts were given up, and all so far. */
  firstToken: number;
  tokenCount: number;
  ended: { readonly done: DoneFrame; readonly atMs: number } | null;
}

export class ResumeRing {
  readonly #partsMax: number;
  /** By request id, oldest first. */
  readonly #answers = new Map<string, Answer>();
  #partCount = 0;

  constructor(partsMax: number = KEPT_PARTS_MAX) {
    this.#partsMax = partsMax;
  }

  /** Answers that are kept, and their parts. */
  get counts(): { readonly answers: number; readonly parts: number } {
    return { answers: this.#answers.size, parts: this.#partCount };
  }

  begin(id: string, facts: AnswerFacts): void {
    // An earlier attempt of the request may still be kept here.
    this.#forget(id);
    this.#answers.set(id, { facts, parts: [], firstToken: 0, tokenCount: 0, ended: null });
  }

  addDelta(id: string, delta: WireDelta): void {
    const answer = this.#answers.get(id);
    if (answer === undefined) return;
    answer.parts.push({ at: answer.tokenCount, delta });
    answer.tokenCount += delta.n;
    this.#added();
  }

  addEnd(id: string, end: WireEnd): void {
    const answer = this.#answers.get(id);
    if (answer === undefined) return;
    answer.parts.push({ at: answer.tokenCount, end });
    this.#added();
  }

  /** The answer is over; it is kept a while for those who missed its end. */
  end(id: string, done: DoneFrame, nowMs: number): void {
    const answer = this.#answers.get(id);
    if (answer === undefined) return;
    answer.ended = { done, atMs: nowMs };
  }

  factsOf(id: string): AnswerFacts | undefined {
    return this.#answers.get(id)?.facts;
  }

  /** What follows the first `from` tokens; undefined when it is not kept, or `from` is inside of a delta. */
  restOf(id: string, from: number): Rest | undefined {
    const answer = this.#answers.get(id);
    if (answer === undefined || from < answer.firstToken || from > answer.tokenCount) {
      return undefined;
    }
    const parts = answer.parts.filter(({ at }) => at >= from);
    const first = parts.find(({ delta }) => delta !== undefined);
    if ((first?.at ?? answer.tokenCount) !== from) return undefined;
    return {
      deltas: parts.flatMap(({ delta }) => delta ?? []),
      ends: parts.flatMap(({ end }) => end ?? []),
      done: answer.ended?.done ?? null,
    };
  }

  /** Forgets answers that ended long enough ago. */
  sweep(nowMs: number): void {
    for (const [id, { ended }] of this.#answers) {
      if (ended !== null && nowMs - ended.atMs >= ENDED_ANSWERS_KEPT_MS) this.#forget(id);
    }
  }

  #added(): void {
    this.#partCount += 1;
    if (this.#partCount > this.#partsMax) this.#makeRoom();
  }

  // Down to three quarters, so that it is not done for each part.
  #makeRoom(): void {
    const targetParts = Math.floor((this.#partsMax * 3) / 4);
    for (const [id, { ended }] of this.#answers) {
      if (this.#partCount <= targetParts) return;
      if (ended !== null) this.#forget(id);
    }
    for (const answer of this.#answers.values()) {
      if (this.#partCount <= targetParts) return;
      this.#partCount -= answer.parts.length;
      answer.parts.length = 0;
      answer.firstToken = answer.tokenCount;
    }
  }

  #forget(id: string): void {
    this.#partCount -= this.#answers.get(id)?.parts.length ?? 0;
    this.#answers.delete(id);
    assert(this.#partCount >= 0, `${this.#partCount} parts are kept`);
  }
}
