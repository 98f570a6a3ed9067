// Owns reading the small text files of a model folder: never more than a stated number of bytes, and valid UTF-8.
// A file that does not exist is `undefined`; every other trouble is a ModelError.
import { open, type FileHandle } from "node:fs/promises";
import { errorText, ModelError } from "./model-error.ts";

/** The file's text, or undefined when it does not exist. */
export async function readTextIfThere(file: string, bytesMax: number): Promise<string | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(file, "r");
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw new ModelError(file, "file", errorText(thrown));
  }
  try {
    const fileStat = await handle.stat();
    if (!fileStat.isFile()) throw new ModelError(file, "file", "is not a regular file");
    if (fileStat.size > bytesMax) {
      throw new ModelError(file, "file", `has ${fileStat.size} bytes, more than ${bytesMax}`);
    }
    const bytes = new Uint8Array(fileStat.size);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    return decodeUtf8(file, bytes.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

/** Decodes UTF-8 strictly; a byte order mark stays and is no JSON. */
export function decodeUtf8(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ModelError(file, "text", "is not UTF-8");
  }
}

/** True for the error of a file or folder that does not exist. */
function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
}
