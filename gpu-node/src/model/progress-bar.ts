// Owns showing progress to a person: a bar that redraws itself on a terminal, a line every ten per cent where
// output goes to a file. It never writes more than one line per redraw interval or per step.
import type { Clock } from "@fairlane/base";
import type { OnProgress } from "./progress.ts";

/** What a bar is drawn on; process.stderr is one. */
export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const REDRAW_MS = 100;
const BAR_CHARS = 24;
const LINE_STEP_PERCENT = 10;
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = "\r\u001b[2K";

/** A listener that draws. A step ends its line when it is complete or when another label begins. */
export function progressBar(output: ProgressOutput, clock: Clock): OnProgress {
  return output.isTTY === true ? terminalBar(output, clock) : plainLines(output);
}

function terminalBar(output: ProgressOutput, clock: Clock): OnProgress {
  let openLabel: string | undefined;
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  return ({ label, doneBytes, totalBytes }) => {
    const isDone = doneBytes >= totalBytes;
    const isNew = label !== openLabel;
    if (isNew && isDone && openLabel === undefined) return;
    if (isNew && openLabel !== undefined) output.write("\n");
    const nowMs = clock.nowMs();
    if (!isNew && !isDone && nowMs - drawnAtMs < REDRAW_MS) return;
    drawnAtMs = nowMs;
    const percent = percentOf(doneBytes, totalBytes);
    const filled = Math.floor((percent / 100) * BAR_CHARS);
    const bar = "#".repeat(filled).padEnd(BAR_CHARS, ".");
    const sizes = `${megabytes(doneBytes)} of ${megabytes(totalBytes)} MB`;
    const line = `${label} [${bar}] ${String(percent).padStart(3)} % ${sizes}`;
    output.write(CLEAR_LINE + line.slice(0, (output.columns ?? DEFAULT_COLUMNS) - 1));
    openLabel = isDone ? undefined : label;
    if (isDone) output.write("\n");
  };
}

function plainLines(output: ProgressOutput): OnProgress {
  let openLabel: string | undefined;
  let nextPercent = 0;
  return ({ label, doneBytes, totalBytes }) => {
    if (label !== openLabel) nextPercent = 0;
    openLabel = label;
    const percent = percentOf(doneBytes, totalBytes);
    if (percent < nextPercent) return;
    nextPercent = (Math.floor(percent / LINE_STEP_PERCENT) + 1) * LINE_STEP_PERCENT;
    output.write(`${label}: ${percent} % of ${megabytes(totalBytes)} MB\n`);
  };
}

function percentOf(doneBytes: number, totalBytes: number): number {
  return totalBytes <= 0 ? 100 : Math.min(100, Math.floor((100 * doneBytes) / totalBytes));
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
