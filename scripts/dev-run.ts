// Owns the record of a run of dev: its own process and those that it started, so that a start after a kill can end
// what was left behind. Invariant: the record exists while the run may have living children.
import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { readJson, writeOwnerOnly } from "./dev-state.ts";
import type { ProcessMark } from "./process-tree.ts";

const markSchema = z.object({ pid: z.int().positive(), startTicks: z.number() });
const runSchema = z.object({ dev: markSchema, children: z.array(markSchema) });

/** One run of dev: its own process and those that it started. */
export interface DevRun {
  readonly dev: ProcessMark;
  readonly children: readonly ProcessMark[];
}

/** The last recorded run; undefined when there is none or the record is unreadable. */
export async function readRun(stateDir: string): Promise<DevRun | undefined> {
  const stored = await readJson(path.join(stateDir, "run.json")).catch(() => undefined);
  const parsed = runSchema.safeParse(stored);
  return parsed.success ? parsed.data : undefined;
}

/** Records the run, so that the next start can end what a kill of this one left behind. */
export async function writeRun(stateDir: string, run: DevRun): Promise<void> {
  await writeOwnerOnly(path.join(stateDir, "run.json"), run);
}

/** Forgets the run: nothing of it lives any more. */
export async function removeRun(stateDir: string): Promise<void> {
  await rm(path.join(stateDir, "run.json"), { force: true });
}
