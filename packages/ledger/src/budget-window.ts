// Owns the windows of spending budgets: days, weeks from Monday and months, all in UTC. Invariant: the windows of a
// kind follow each other without a gap, and each begins with a day.

/** Length of the windows of a budget. */
export type BudgetWindow = "day" | "week" | "month";

const DAY_MS = 24 * 3_600_000;
/** 1970-01-05 was a Monday. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

/** The window that a time lies in, its end excluded. Milliseconds since 1970 UTC. */
export function windowAt(
  window: BudgetWindow,
  atMs: number,
): { readonly startMs: number; readonly endMs: number } {
  if (window === "month") {
    const date = new Date(atMs);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
    return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
  }
  const [lengthMs, offsetMs] = window === "day" ? [DAY_MS, 0] : [7 * DAY_MS, FIRST_MONDAY_MS];
  const startMs = Math.floor((atMs - offsetMs) / lengthMs) * lengthMs + offsetMs;
  return { startMs, endMs: startMs + lengthMs };
}
