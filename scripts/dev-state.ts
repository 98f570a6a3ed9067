// Owns the folder of a developer's machine: secrets made once and readable by the owner only, the state of D1,
// Durable Objects and the node's journal, and the record of running child processes.
import { makeAdminToken, makeNodeToken } from "@fairlane/protocol";
import { base32Encode, type Random } from "@fairlane/base";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
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

const marksSchema = z.array(z.object({ pid: z.int().positive(), startTicks: z.number() }));

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

/** The children that the last start recorded; empty when there is no record or it is unreadable. */
export async function readChildren(stateDir: string): Promise<ProcessMark[]> {
  const stored = await readJson(path.join(stateDir, "children.json")).catch(() => undefined);
  const parsed = marksSchema.safeParse(stored);
  return parsed.success ? parsed.data : [];
}

/** Records the living children, so that the next start can end those that a kill of this one left behind. */
export async function writeChildren(stateDir: string, marks: readonly ProcessMark[]): Promise<void> {
  await writeOwnerOnly(path.join(stateDir, "children.json"), marks);
}
