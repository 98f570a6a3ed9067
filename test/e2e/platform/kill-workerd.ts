// Owns the sudden death of the runtime of both Worker scripts, by the process id of this test's own child. The starter's
// runtime comes back by itself, on the same ports and storage.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { descendantsOf } from "../../../scripts/process-tree.ts";

const POLL_MS = 10;
const BACK_TIMEOUT_MS = 30_000;

/** Process ids of the runtimes that this process has started. */
export async function workerdPids(): Promise<readonly number[]> {
  const marks = await descendantsOf(process.pid);
  const names = await Promise.all(
    marks.map(({ pid }) => readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")),
  );
  return marks.filter((_, index) => names[index]?.trim() === "workerd").map(({ pid }) => pid);
}

/** Kills the runtime; answers once the edge at `edgeUrl` serves again. */
export async function killWorkerd(edgeUrl: string): Promise<void> {
  const pids = await workerdPids();
  if (pids.length === 0) throw new Error("no workerd runs");
  for (const pid of pids) process.kill(pid, "SIGKILL");
  const startedMs = Date.now();
  for (;;) {
    const isBack = await fetch(`${edgeUrl}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isBack) return;
    if (Date.now() - startedMs > BACK_TIMEOUT_MS) throw new Error("workerd did not come back");
    await sleep(POLL_MS);
  }
}
