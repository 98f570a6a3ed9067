// Owns the folder of a developer's machine: secrets made once and readable by the owner only, the state of D1,
// Durable Objects and the node's journal, and the record of running child processes.
import { makeAdminToken, makeNodeToken } from "@fairlane/protocol";
import { base32Encode, type Random } from "@fairlane/base";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { ProcessMark } from "./process-tree.ts";

const SECRET_BYTES = 32;
const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

export const systemRandom: Random = { fill: (target) => crypto.getRandomValues(target) };

const secretsSchema = z.object({
  keyPepper: z.string().min(1),
  saltSecret: z.string().min(1),
  adminToken: z.string().min(1),
  nodeToken: z.string().min(1),
});

export type DevSecrets = z.infer<typeof secretsSchema>;

const markSchema = z.object({ pid: z.int().positive(), startTicks: z.number() });
const runSchema = z.object({ dev: markSchema, children: z.array(markSchema) });

/** One run of dev: its own process and those that it started. */
export interface DevRun {
  readonly dev: ProcessMark;
  readonly children: readonly ProcessMark[];
}

/** Writes a file that only the owner reads, whole or not at all. */
export async function writeOwnerOnly(file: string, value: unknown): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: OWNER_ONLY_FOLDER });
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: OWNER_ONLY });
  await rename(temporary, file);
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}

function randomText(): string {
  return base32Encode(systemRandom.fill(new Uint8Array(SECRET_BYTES)));
}

/** Reads the secrets of this machine, or makes them on the first start. */
export async function loadSecrets(stateDir: string, nodeName: string): Promise<DevSecrets> {
  const file = path.join(stateDir, "secrets.json");
  const stored = await readJson(file);
  if (stored !== undefined) return secretsSchema.parse(stored);
  const keyPepper = randomText();
  const secrets = {
    keyPepper,
    saltSecret: randomText(),
    adminToken: makeAdminToken(systemRandom),
    nodeToken: await makeNodeToken({ nodeName, pepper: keyPepper, random: systemRandom }),
  };
  await writeOwnerOnly(file, secrets);
  return secrets;
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
