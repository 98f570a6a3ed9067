// Owns the end of every process that dev started, whoever crashed before: it records living descendants, so that a
// stop can end stragglers (miniflare restarts a crashed workerd by itself) and a later start can end what a kill of
// dev itself left behind.
import { setTimeout as sleep } from "node:timers/promises";
import { readChildren, writeChildren } from "./dev-state.ts";
import { descendantsOf, signalMarked, type ProcessMark } from "./process-tree.ts";

const RECORD_INTERVAL_MS = 1_000;
const TERM_GRACE_MS = 2_000;

async function endAll(marks: readonly ProcessMark[]): Promise<number> {
  const alive = await Promise.all(marks.map((mark) => signalMarked(mark, "SIGTERM")));
  const count = alive.filter(Boolean).length;
  if (count === 0) return 0;
  await sleep(TERM_GRACE_MS);
  await Promise.all(marks.map((mark) => signalMarked(mark, "SIGKILL")));
  return count;
}

/** Ends what an earlier start recorded and could not end; returns how many processes still lived. */
export async function endLeftovers(stateDir: string): Promise<number> {
  const count = await endAll(await readChildren(stateDir));
  await writeChildren(stateDir, []);
  return count;
}

/** Watches this process's descendants until `stop`, which ends those still there. */
export function watchChildren(stateDir: string): { stop(): Promise<void> } {
  const seen = new Map<number, ProcessMark>();
  let recorded = "";
  const record = async () => {
    const marks = await descendantsOf(process.pid);
    for (const mark of marks) seen.set(mark.pid, mark);
    const text = JSON.stringify(marks);
    if (text === recorded) return;
    recorded = text;
    await writeChildren(stateDir, marks);
  };
  // A failed record is tried again at the next tick; it must not end the start.
  const tick = () => void record().catch(() => undefined);
  const timer = setInterval(tick, RECORD_INTERVAL_MS);
  tick();
  return {
    async stop() {
      clearInterval(timer);
      for (const mark of await descendantsOf(process.pid)) seen.set(mark.pid, mark);
      await endAll([...seen.values()]);
      await writeChildren(stateDir, []);
    },
  };
}
