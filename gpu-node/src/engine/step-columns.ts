// Owns the form in which a step message crosses from the engine worker to the main thread: numbers of requests that run on
// in a ring of buffers that both threads see, objects only for what is rare. So a token costs the worker no allocation.
// Listeners get the message that was packed, rows that run on first. Invariants: a slot is announced before its first row,
// and again when another request has it; a buffer is written again only once its message was read.
import { assert, AssertionError } from "@fairlane/base";
import type { RunningRequest } from "../request/request.ts";
import { STEP_ROW_BUFFERS_MAX } from "../limits.ts";
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
  readonly others: readonly RequestProgress[];
  /** Shared; comes once, with the first message. */
  readonly ring?: RowRing;
  readonly rowCount: number;
  /** The rows, when no buffer of the ring was free; else they are in the buffer after that of the last such message. */
  readonly spilled?: Int32Array;
}

/** [slot, token or NONE, cached, computed prompt, output] of each request that runs on. */
const ROW_WORDS = 5;
const NO_TOKENS: readonly number[] = [];

/** Row buffers in shared memory. */
interface RowRing {
  /** One word: how many buffers have been read since the start. */
  readonly readCount: Int32Array;
  readonly buffers: readonly Int32Array[];
}

function makeRing(slotCount: number): RowRing {
  const words = slotCount * ROW_WORDS;
  const shared = (length: number): Int32Array =>
    new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
  const buffers = Array.from({ length: STEP_ROW_BUFFERS_MAX }, () => shared(words));
  return { readCount: shared(1), buffers };
}

/** Gives a buffer back to the writer, once its message was read. */
export function markRead({ readCount }: RowRing): void {
  Atomics.add(readCount, 0, 1);
}

/** The worker's side. */
export class ColumnReport implements StepReport {
  readonly #post: (message: PackedStep) => void;
  readonly #ring: RowRing;
  readonly #announced: (RunningRequest | undefined)[] = [];
  #isRingSent = false;
  /** Buffers of the ring posted so far. */
  #postedCount = 0;
  /** The rows of this step: a buffer of the ring or, while the reader is behind, one of its own. */
  #rows: Int32Array;
  #isSpilled = false;
  #rowCount = 0;
  #joined: SlotHolder[] = [];
  #others: RequestProgress[] = [];

  constructor(slotCount: number, post: (message: PackedStep) => void) {
    this.#ring = makeRing(slotCount);
    this.#rows = this.#bufferAt(0);
    this.#post = post;
  }

  get count(): number {
    return this.#rowCount + this.#others.length;
  }

  goesOn(request: RunningRequest, token: number | null): void {
    if (this.#rowCount === 0) this.#begin();
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
    const [rowCount, joined, others] = [this.#rowCount, this.#joined, this.#others];
    if (joined.length > 0) this.#joined = [];
    if (others.length > 0) this.#others = [];
    const message = { type: "packed-step", summary, joined, others, rowCount } as const;
    this.#rowCount = 0;
    if (rowCount === 0) {
      this.#post(message);
    } else if (this.#isSpilled) {
      this.#post({ ...message, spilled: this.#rows.subarray(0, rowCount * ROW_WORDS) });
    } else {
      this.#postedCount += 1;
      this.#post(this.#isRingSent ? message : { ...message, ring: this.#ring });
      this.#isRingSent = true;
    }
  }

  #begin(): void {
    const unreadCount = this.#postedCount - Atomics.load(this.#ring.readCount, 0);
    this.#isSpilled = unreadCount >= STEP_ROW_BUFFERS_MAX;
    const buffer = this.#bufferAt(this.#postedCount);
    this.#rows = this.#isSpilled ? new Int32Array(buffer.length) : buffer;
  }

  #bufferAt(index: number): Int32Array {
    const buffer = this.#ring.buffers[index % STEP_ROW_BUFFERS_MAX];
    assert(buffer !== undefined, `row buffer ${index}`);
    return buffer;
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
  #ring: RowRing | null = null;
  #readCount = 0;

  /** The message that was packed. Messages are read in the order in which they were posted. */
  read(packed: PackedStep): StepMessage {
    const { summary, joined, others, rowCount, ring } = packed;
    this.#ring = ring ?? this.#ring;
    for (const holder of joined) this.#holders.set(holder.slot, holder);
    const progress: RequestProgress[] = [];
    if (rowCount > 0) this.#readRows(packed, progress);
    progress.push(...others);
    return { type: "step", ...summary, progress };
  }

  #readRows({ rowCount, spilled }: PackedStep, into: RequestProgress[]): void {
    const ring = this.#ring;
    const rows = spilled ?? ring?.buffers[this.#readCount % STEP_ROW_BUFFERS_MAX];
    assert(rows !== undefined, "rows came before their buffers");
    for (let row = 0; row < rowCount; row++) into.push(this.#progressAt(rows, row * ROW_WORDS));
    if (spilled !== undefined || ring === null) return;
    this.#readCount += 1;
    markRead(ring);
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
