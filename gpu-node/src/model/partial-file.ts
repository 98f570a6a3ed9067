// Owns the files of unfinished downloads. One process at a time writes a partial file: its name holds the
// owner's machine and process, and taking one over is a rename, which only one can win. A partial file whose
// owner is gone is taken over, so that a download goes on where a killed process stopped.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { STALE_DOWNLOAD_MS } from "./limits.ts";
import { isOwnerGone, ownerTag } from "./process-owner.ts";

const SUFFIX = ".partial";
const FREE = "free";

/** What a partial file is a part of. */
export interface PartialKey {
  /** The final path. */
  readonly target: string;
  /** Names the content: parts of different contents never mix. */
  readonly content: string;
}

/**
 * Takes over the largest partial file that nobody owns, or makes an empty one.
 * @returns its path, owned by this process until released, moved or removed
 */
export async function claimPartial(key: PartialKey): Promise<string> {
  const folder = dirname(key.target);
  await mkdir(folder, { recursive: true });
  await removeStale(key);
  const own = partialPath(key, ownerTag());
  for (const name of await freePartials(key)) {
    try {
      await rename(join(folder, name), own);
      return own;
    } catch {
      // Another process was quicker; it has that one now.
    }
  }
  await (await open(own, "wx")).close();
  return own;
}

/** Leaves the partial file for whoever goes on with it. */
export async function releasePartial(key: PartialKey, path: string): Promise<void> {
  await rename(path, partialPath(key, FREE)).catch(() => undefined);
}

function partialPath(key: PartialKey, owner: string): string {
  return `${prefixOf(key)}${owner}-${randomBytes(6).toString("hex")}${SUFFIX}`;
}

function prefixOf(key: PartialKey): string {
  return `${key.target}.${digestOf(key.content)}.`;
}

/** Names of partial files without an owner, the largest first. */
async function freePartials(key: PartialKey): Promise<readonly string[]> {
  const prefix = basename(prefixOf(key));
  const folder = dirname(key.target);
  const found: { name: string; sizeBytes: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || !name.endsWith(SUFFIX)) continue;
    const owner = name.slice(prefix.length);
    if (!owner.startsWith(`${FREE}-`) && !isOwnerGone(owner)) continue;
    const fileStat = await stat(join(folder, name)).catch(() => undefined);
    if (fileStat) found.push({ name, sizeBytes: fileStat.size });
  }
  return found.toSorted((a, b) => b.sizeBytes - a.sizeBytes).map(({ name }) => name);
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

async function removeStale(key: PartialKey): Promise<void> {
  const folder = dirname(key.target);
  const prefix = `${basename(key.target)}.`;
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || !name.endsWith(SUFFIX)) continue;
    const fileStat = await stat(join(folder, name)).catch(() => undefined);
    if (!fileStat || Date.now() - fileStat.mtimeMs < STALE_DOWNLOAD_MS) continue;
    await rm(join(folder, name), { force: true });
  }
}
