// Owns the refusal to measure on a busy machine: other work makes any figure meaningless. Reads /proc/stat; where there
// is none, nothing is known and the run goes on with a warning.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Share of the machine's time that others may take while nothing runs here. */
const BUSY_SHARE_MAX = 0.1;
const WINDOW_MS = 1_000;

export interface CpuTicks {
  readonly busy: number;
  readonly total: number;
}

/** Ticks of all CPUs since boot, from the text of /proc/stat; null when it has none. */
export function parseCpuTicks(text: string): CpuTicks | null {
  const line = text.split("\n").find((candidate) => candidate.startsWith("cpu "));
  if (line === undefined) return null;
  // user nice system idle iowait irq softirq steal; guest time is in user.
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const [idle = 0, ioWait = 0] = ticks.slice(3, 5);
  const total = ticks.reduce((sum, value) => sum + value, 0);
  return { busy: total - idle - ioWait, total };
}

/** Share of the time between two readings that the CPUs were busy. */
export function busyShare(before: CpuTicks, after: CpuTicks): number {
  const total = after.total - before.total;
  return total <= 0 ? 0 : (after.busy - before.busy) / total;
}

/** True when somebody else computes; throws then unless `force`. */
export async function checkIdle(options: { readonly force: boolean }): Promise<boolean> {
  const before = parseCpuTicks(await readFile("/proc/stat", "utf8").catch(() => ""));
  await sleep(WINDOW_MS);
  const after = parseCpuTicks(await readFile("/proc/stat", "utf8").catch(() => ""));
  if (before === null || after === null) {
    process.stderr.write("bench: whether this machine is idle cannot be seen here\n");
    return false;
  }
  const share = busyShare(before, after);
  if (share <= BUSY_SHARE_MAX) return false;
  const finding = `the machine is busy (${Math.round(share * 100)} % of its CPU time)`;
  if (!options.force) {
    throw new Error(`${finding}: stop the other work, or use --force to develop.`);
  }
  process.stderr.write(`bench: WARNING: ${finding}; the figures mean nothing\n`);
  return true;
}
