// Owns the secrets of a developer's machine, made once and readable by the owner only, and the way in which dev writes
// files that hold one.
import { makeAdminToken, makeNodeToken } from "@fairlane/protocol";
import { base32Encode, type Random } from "@fairlane/base";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";

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

/** Writes a file that only the owner reads, whole or not at all. */
export async function writeOwnerOnly(file: string, value: unknown): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: OWNER_ONLY_FOLDER });
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: OWNER_ONLY });
  await rename(temporary, file);
}

/** Parses a JSON file; undefined when there is none. */
export async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}

function randomText(): string {
  return base32Encode(systemRandom.fill(new Uint8Array(SECRET_BYTES)));
}

/** A token for a node of this machine besides the first. */
export function nodeTokenOf(nodeName: string, { keyPepper }: DevSecrets): Promise<string> {
  return makeNodeToken({ nodeName, pepper: keyPepper, random: systemRandom });
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
