// Owns the SHA-256 of model files: the whole content, once, and then a stamp in the cache folder for as long as
// path, size and times of the file stay what they were. A stamp that cannot be read is computed anew.
import { createHash } from "node:crypto";
import { createReadStream, type BigIntStats } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { errorText, ModelError } from "./model-error.ts";
import { writeWhole } from "./write-whole.ts";

const stampSchema = z.object({
  path: z.string(),
  identity: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const READ_BYTES = 1024 * 1024;

/** SHA-256 of the file's content in hexadecimal, from the stamp where one fits the file. */
export async function fileDigest(path: string, cacheFolder: string): Promise<string> {
  const file = resolve(path);
  const before = await identityOf(file);
  const stamped = await readStamp(file, cacheFolder);
  if (stamped?.identity === before) return stamped.sha256;
  const sha256 = await hashFile(file);
  // A file that changed meanwhile keeps no stamp.
  if ((await identityOf(file)) === before) {
    const stamp = { path: file, identity: before, sha256 };
    // The stamp only saves time: a cache folder that cannot be written is no reason to fail.
    await writeWhole(stampPath(file, cacheFolder), JSON.stringify(stamp)).catch(() => undefined);
  }
  return sha256;
}

/** SHA-256 of the file's content in hexadecimal, always computed. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: READ_BYTES })) {
      hash.update(chunk as Buffer);
    }
  } catch (thrown) {
    throw new ModelError(file, "file", errorText(thrown));
  }
  return hash.digest("hex");
}

async function readStamp(file: string, cacheFolder: string) {
  try {
    const text = await readFile(stampPath(file, cacheFolder), "utf8");
    const stamp = stampSchema.parse(JSON.parse(text));
    return stamp.path === file ? stamp : undefined;
  } catch {
    return undefined;
  }
}

function stampPath(file: string, cacheFolder: string): string {
  const name = createHash("sha256").update(file).digest("hex").slice(0, 32);
  return join(cacheFolder, "digests", `${name}.json`);
}

async function identityOf(file: string): Promise<string> {
  let fileStat: BigIntStats;
  try {
    fileStat = await stat(file, { bigint: true });
  } catch (thrown) {
    throw new ModelError(file, "file", errorText(thrown));
  }
  // The change time catches a writer that sets the modification time back.
  return [fileStat.size, fileStat.mtimeNs, fileStat.ctimeNs, fileStat.ino].join(":");
}
