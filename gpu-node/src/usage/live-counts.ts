// Owns the packed form of the counts of all live requests: one row of the journal, rewritten by every step.
// Counts are cumulative, so the newest row alone says everything; a lost older one is no loss.
import { assert } from "@fairlane/base";

/** Cumulative counts of one live request. */
export interface LiveCounts {
  readonly cachedTokens: number;
  readonly computedPromptTokens: number;
  readonly outputTokens: number;
  /** Null while the request was never scheduled. */
  readonly queueMs: number | null;
  /** Null while there is no output token. */
  readonly ttftMs: number | null;
}

export const NO_COUNTS: LiveCounts = {
  cachedTokens: 0,
  computedPromptTokens: 0,
  outputTokens: 0,
  queueMs: null,
  ttftMs: null,
};

// [key, cached, computed prompt, output, queue ms, ttft ms] as f64, which holds integers below 2^53 exactly.
const FIELDS = 6;
const NEVER = -1;

/** Packs counts by journal key. */
export function packLiveCounts(live: ReadonlyMap<number, LiveCounts>): Uint8Array {
  const fields = new Float64Array(live.size * FIELDS);
  let at = 0;
  for (const [key, counts] of live) {
    fields[at] = key;
    fields[at + 1] = counts.cachedTokens;
    fields[at + 2] = counts.computedPromptTokens;
    fields[at + 3] = counts.outputTokens;
    fields[at + 4] = counts.queueMs ?? NEVER;
    fields[at + 5] = counts.ttftMs ?? NEVER;
    at += FIELDS;
  }
  return new Uint8Array(fields.buffer);
}

/** Reads what packLiveCounts wrote. */
export function unpackLiveCounts(packed: Uint8Array): Map<number, LiveCounts> {
  assert(packed.byteLength % (FIELDS * 8) === 0, `packed counts of ${packed.byteLength} bytes`);
  const fields = new Float64Array(packed.slice().buffer);
  const live = new Map<number, LiveCounts>();
  for (let at = 0; at < fields.length; at += FIELDS) {
    const field = (index: number): number => fields[at + index] ?? 0;
    const time = (index: number): number | null => (field(index) === NEVER ? null : field(index));
    live.set(field(0), {
      cachedTokens: field(1),
      computedPromptTokens: field(2),
      outputTokens: field(3),
      queueMs: time(4),
      ttftMs: time(5),
    });
  }
  return live;
}
