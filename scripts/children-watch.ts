// Owns the end of every process that dev started, whoever crashed before: it records living descendants, so that a
// stop can end stragglers (miniflare restarts a crashed workerd by itself) and a later start can end what a kill of
// dev itself left behind. Invariant: one run per state folder.
import { setTimeout as sleep } from "node:timers/promises";
import { readRun, removeRun, writeRun } from "./dev-run.ts";
import { descendantsOf, isAlive, markOf, signalMarked, type ProcessMark } from "./process-tree.ts";

const RECORD_INTERVAL_MS = 1_000;
const END_POLL_MS = 20;
/** What a part gets to end by itself, and then to be gone after the kill. */
const TERM_GRACE_MS = 2_000;
const KILL_GRACE_MS = 2_000;

async function waitForEnd(marks: readonly ProcessMark[], timeoutMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += END_POLL_MS) {
    const alive = await Promise.all(marks.map(isAlive));
    if (!alive.includes(true)) return true;
    await sleep(END_POLL_MS);
  }
  return false;
}

async function endAll(marks: readonly ProcessMark[]): Promise<number> {
  const alive = await Promise.all(marks.map((mark) => signalMarked(mark, "SIGTERM")));
  if (!(await waitForEnd(marks, TERM_GRACE_MS))) {
    await Promise.all(marks.map((mark) => signalMarked(mark, "SIGKILL")));
    await waitForEnd(marks, KILL_GRACE_MS);
  }
  return alive.filter(Boolean).length;
}

/**
 * Ends what an earlier run recorded and could not end; throws when that run is still there.
 * @returns how many processes still lived
 */
export async function endLeftovers(stateDir: string): Promise<number> {
  const run = await readRun(stateDir);
  if (!run) return 0;
  if (await isAlive(run.dev)) {
    throw new Error(
      `npm run dev already runs on ${stateDir} as process ${run.dev.pid}: end it or pass --state-dir with another folder.`,
    );
  }
  const count = await endAll(run.children);
  await removeRun(stateDir);
  return count;
}

/** Watches this process's descendants until `stop`, which ends those still there. */
export async function watchChildren(stateDir: string): Promise<{ stop(): Promise<void> }> {
  const dev = await markOf(process.pid);
  const seen = new Map<number, ProcessMark>();
  let recorded = "";
  const record = async () => {
    const children = await descendantsOf(process.pid);
    for (const mark of children) seen.set(mark.pid, mark);
    const text = JSON.stringify(children);
    if (text === recorded || !dev) return;
    recorded = text;
    await writeRun(stateDir, { dev, children });
  };
  await record();
  // A failed record is tried again at the next tick; it must not end the start.
  const timer = setInterval(() => void record().catch(() => undefined), RECORD_INTERVAL_MS);
  return {
    async stop() {
      clearInterval(timer);
      for (const mark of await descendantsOf(process.pid)) seen.set(mark.pid, mark);
      await endAll([...seen.values()]);
      await removeRun(stateDir);
    },
  };
}
