// Owns one round of a batch: lines that are to be tried again and new ones, as many at once as a round has, each to its end.
// What the round came to is written as a whole; the batch as it is by then (it may have been cancelled) stays.
import { assert } from "@fairlane/base";
import type { BatchView } from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";
import { ATTEMPTS_MAX } from "../limits.ts";
import { BATCH_RESULT_CHARS_MAX, BATCH_RETRY_MS, BATCH_ROUND_ROWS } from "./limits.ts";
import { systemClock } from "../system-clock.ts";
import { filesOf, inputOf } from "./batch-files.ts";
import type { BatchLine, BatchStore, InputPlace, LineResult } from "./batch-store.ts";
import { parseLine, type LineRequest } from "./parse-line.ts";
import { readLines } from "./read-lines.ts";
import { errorResponse, runLine, type LineOutcome } from "./run-line.ts";

/** Nothing is left; the input is gone; or there is more, after a pause if one is named. */
export type RoundEnd = "done" | "gone" | { readonly pauseMs?: number };

interface Round {
  readonly env: HubEnv;
  readonly store: BatchStore;
  readonly view: BatchView;
  readonly place: InputPlace;
}

type Again = BatchLine & { readonly dueMs: number };

interface Ran {
  readonly results: LineResult[];
  readonly again: Again[];
  isPartlyLost: boolean;
}

/** Runs a round and writes what it came to. */
export async function runRound(round: Round): Promise<RoundEnd> {
  const { env, store, view, place } = round;
  const { spec } = view;
  const nowMs = systemClock.nowMs();
  const isExpired = nowMs >= spec.expiresAtMs;
  // 1. Lines that wait come first; after the end of the batch's time all of them are over.
  const due = store.due(isExpired ? Number.MAX_SAFE_INTEGER : nowMs, BATCH_ROUND_ROWS);
  const countMax = BATCH_ROUND_ROWS - due.length;
  const files = await filesOf(env, spec.claim.tenantId);
  const read =
    countMax === 0
      ? { lines: [], place, isEnd: false }
      : await readLines(files, inputOf(spec), { place, countMax });
  if (read === undefined) return "gone";
  const lines = [...due, ...read.lines.map((line) => ({ ...line, tryIndex: 0 }))];
  // 2. Each to its end.
  const ran = await runLines(round, lines, isExpired);
  // 3. Written as a whole.
  const now = store.read()?.view;
  assert(now !== undefined, "a batch that runs was begun");
  const failed = ran.results.filter(({ isError }) => isError).length;
  const counted = {
    ...now,
    completedCount: now.completedCount + ran.results.length - failed,
    failedCount: now.failedCount + failed,
  };
  store.writeRound({ view: counted, place: read.place, ...ran });
  // 4. What is left.
  const { waiting } = store;
  if (!read.isEnd) return {};
  if (waiting.count === 0) return "done";
  return { pauseMs: Math.max(0, waiting.dueMs - systemClock.nowMs()) };
}

async function runLines(
  { env, store, view }: Round,
  lines: readonly { lineIndex: number; text: string | null; tryIndex: number }[],
  isExpired: boolean,
): Promise<Ran> {
  const { spec } = view;
  const ran: Ran = { results: [], again: [], isPartlyLost: false };
  const attemptsBefore = store.beginRound() * ATTEMPTS_MAX;
  const seen = new Set<string>();
  const running = lines.map(async ({ lineIndex, text, tryIndex }) => {
    const parsed = parseLine(text, spec.endpoint);
    if (!parsed.ok) {
      ran.results.push(
        failedLine(spec.batchId, lineIndex, { customId: null, error: parsed.error }),
      );
      return;
    }
    const request = parsed.value;
    const { customId } = request;
    const isTwice = seen.has(customId) || store.hasCustomId(customId);
    seen.add(customId);
    if (isTwice) {
      const error = { code: "duplicate_custom_id", message: "Another line has this custom_id." };
      ran.results.push(
        failedLine(spec.batchId, lineIndex, { customId: null, shown: customId, error }),
      );
      return;
    }
    if (isExpired) {
      const error = {
        code: "batch_expired",
        message: "The batch's time was over before this line.",
      };
      ran.results.push(failedLine(spec.batchId, lineIndex, { customId, error }));
      return;
    }
    const line = { lineIndex, text: text ?? "", tryIndex };
    note(ran, spec.batchId, {
      line,
      request,
      outcome: await runLine(env, spec, { ...line, request, attemptsBefore }),
    });
  });
  await Promise.all(running);
  return ran;
}

function note(
  ran: Ran,
  batchId: string,
  done: { readonly line: BatchLine; readonly request: LineRequest; readonly outcome: LineOutcome },
): void {
  const { line, outcome } = done;
  const { lineIndex } = line;
  const { customId } = done.request;
  switch (outcome.kind) {
    case "again": {
      const tryIndex = line.tryIndex + (outcome.isNewTry ? 1 : 0);
      const dueMs = systemClock.nowMs() + Math.max(outcome.afterMs, BATCH_RETRY_MS);
      ran.again.push({ ...line, tryIndex, dueMs });
      if (outcome.isUnknown === true) ran.isPartlyLost = true;
      return;
    }
    case "refused": {
      const response = errorResponse(outcome.requestId, outcome.error);
      const text = lineText(batchId, lineIndex, { custom_id: customId, response, error: null });
      ran.results.push({ lineIndex, customId, isError: true, text });
      return;
    }
    case "answered": {
      const { requestId, body } = outcome;
      const response = { status_code: 200, request_id: requestId, body };
      const text = lineText(batchId, lineIndex, { custom_id: customId, response, error: null });
      if (text.length <= BATCH_RESULT_CHARS_MAX) {
        ran.results.push({ lineIndex, customId, isError: false, text });
        return;
      }
      const message = `The answer has more than ${BATCH_RESULT_CHARS_MAX} characters.`;
      const error = { code: "answer_too_large", message };
      ran.results.push(failedLine(batchId, lineIndex, { customId, error }));
    }
  }
}

/** A line without a response. @param failed.shown the id that the file shows, where it is not the line's own */
function failedLine(
  batchId: string,
  lineIndex: number,
  failed: {
    readonly customId: string | null;
    readonly shown?: string;
    readonly error: { readonly code: string; readonly message: string };
  },
): LineResult {
  const { customId, shown = customId, error } = failed;
  const { code, message } = error;
  // People count lines from 1.
  const said = { code, message, line: lineIndex + 1 };
  const text = lineText(batchId, lineIndex, { custom_id: shown, response: null, error: said });
  return { lineIndex, customId, isError: true, text };
}

function lineText(batchId: string, lineIndex: number, fields: object): string {
  return JSON.stringify({
    id: `batch_req_${batchId.slice("batch_".length)}-${lineIndex}`,
    ...fields,
  });
}
