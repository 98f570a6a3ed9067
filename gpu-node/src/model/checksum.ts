// Owns the checksums that model hubs state: SHA-256 of large files, git's blob SHA-1 of small ones.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { fileDigest, hashFile } from "./file-digest.ts";

export type Checksum =
  | { readonly kind: "sha256"; readonly hex: string }
  | { readonly kind: "git"; readonly hex: string };

/** Computes the checksum of the file's content now. */
export async function checksumOf(path: string, kind: Checksum["kind"]): Promise<string> {
  if (kind === "sha256") return await hashFile(path);
  const hash = createHash("sha1").update(`blob ${(await stat(path)).size}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** True when the file is there and has this size and checksum; large unchanged files are read once only. */
export async function isSound(
  path: string,
  expected: { readonly bytes: number; readonly checksum?: Checksum | undefined },
  cacheFolder: string,
): Promise<boolean> {
  const fileStat = await stat(path).catch(() => undefined);
  if (fileStat?.isFile() !== true || fileStat.size !== expected.bytes) return false;
  const { checksum } = expected;
  if (!checksum) return true;
  if (checksum.kind === "git") return (await checksumOf(path, "git")) === checksum.hex;
  return (await fileDigest(path, cacheFolder)) === checksum.hex;
}
