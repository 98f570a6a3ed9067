// Owns the form in which a step message crosses from the engine worker to the main thread: one transferred buffer of
// numbers for requests that run on, objects only for what is rare. Listeners get the message that was packed, rows
// that run on first. Invariant: a slot is announced before its first row, and again when another request has it.
import { assert, AssertionError } from "@fairlane/base";
import type { RunningRequest } from "../request/request.ts";
import { NONE } from "./step-layout.ts";
import type { StepMessage, StepReport, StepSummary } from "./step-report.ts";
import type { RequestProgress } from "./worker-messages.ts";

/** What of a running request never changes, sent once. */
interface SlotHolder {
  readonly slot: number;
  readonly requestId: string;
  readonly promptTokens: number;
  readonly scheduledAtMs: number;
}

export interface PackedStep {
  readonly type: "packed-step";
  readonly summary: StepSummary;
  readonly joined: readonly SlotHolder[];
  /** [slot, token or NONE, cached, computed prompt, output] of each request that runs on. */
  readonly rows: Int32Array;
  readonly others: readonly RequestProgress[];
}

const ROW_WORDS = 5;
const NO_TOKENS: readonly number[] = [];

/** The worker's side. */
export class ColumnReport implements StepReport {
  readonly #post: (message: PackedStep, transfer: readonly ArrayBuffer[]) => void;
  readonly #rows: Int32Array;
  readonly #announced: (RunningRequest | undefined)[] = [];
  #rowCount = 0;
  #joined: SlotHolder[] = [];
  #others: RequestProgress[] = [];

  constructor(
    slotCount: number,
    post: (message: PackedStep, transfer: readonly ArrayBuffer[]) => void,
  ) {
    this.#rows = new Int32Array(slotCount * ROW_WORDS);
    this.#post = post;
  }

  get count(): number {
    return this.#rowCount + this.#others.length;
  }

  goesOn(request: RunningRequest, token: number | null): void {
    const { slot } = request;
    if (this.#announced[slot] !== request) this.#announce(request);
    const { cachedTokens, computedPromptTokens, outputTokens } = request;
    const at = this.#rowCount * ROW_WORDS;
    if (at >= this.#rows.length)
      throw new AssertionError(`more than ${this.#rowCount} requests run on`);
    this.#rows[at] = slot;
    this.#rows[at + 1] = token ?? NONE;
    this.#rows[at + 2] = cachedTokens;
    this.#rows[at + 3] = computedPromptTokens;
    this.#rows[at + 4] = outputTokens;
    this.#rowCount += 1;
  }

  add(progress: RequestProgress): void {
    this.#others.push(progress);
  }

  post(summary: StepSummary): void {
    const rows = this.#rows.slice(0, this.#rowCount * ROW_WORDS);
    const [joined, others] = [this.#joined, this.#others];
    this.#rowCount = 0;
    if (joined.length > 0) this.#joined = [];
    if (others.length > 0) this.#others = [];
    this.#post({ type: "packed-step", summary, joined, rows, others }, [rows.buffer]);
  }

  #announce(request: RunningRequest): void {
    const { slot, spec, scheduledAtMs } = request;
    this.#announced[slot] = request;
    const promptTokens = spec.promptTokens.length;
    this.#joined.push({ slot, requestId: spec.requestId, promptTokens, scheduledAtMs });
  }
}

/** The main thread's side. */
export class ColumnReader {
  readonly #holders = new Map<number, SlotHolder>();

  /** The message that was packed. Messages are read in the order in which they were posted. */
  read({ summary, joined, rows, others }: PackedStep): StepMessage {
    for (const holder of joined) this.#holders.set(holder.slot, holder);
    const progress: RequestProgress[] = [];
    for (let at = 0; at < rows.length; at += ROW_WORDS) progress.push(this.#progressAt(rows, at));
    progress.push(...others);
    return { type: "step", ...summary, progress };
  }

  #progressAt(rows: Int32Array, at: number): RequestProgress {
    const word = (index: number): number => rows[at + index] ?? NONE;
    const holder = this.#holders.get(word(0));
    assert(holder !== undefined, `slot ${word(0)} was never announced`);
    const { requestId, promptTokens, scheduledAtMs } = holder;
    const counts = {
      promptTokens,
      cachedTokens: word(2),
      computedPromptTokens: word(3),
      outputTokens: word(4),
    };
    const newTokens = word(1) === NONE ? NO_TOKENS : [word(1)];
    return { requestId, newTokens, counts, scheduledAtMs, end: null };
  }
}
