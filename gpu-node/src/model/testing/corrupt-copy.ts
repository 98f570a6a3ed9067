// Owns damaging copies of model files for tests: one byte changed in place and put back, or the end cut off, and
// the verdict on what a reader made of it. For tests only.
import { copyFile, mkdtemp, open, readFile, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ModelError } from "../model-error.ts";

/** A temporary folder that is removed at the end of its scope. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "fairlane-model-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** What reading a damaged file came to: "opened", or the subject that the ModelError names. */
export async function verdict(read: () => Promise<unknown>): Promise<string> {
  try {
    await read();
    return "opened";
  } catch (thrown) {
    if (thrown instanceof ModelError && thrown.subject.trim() !== "") return thrown.subject;
    throw new Error("a damaged file broke its reader", { cause: thrown });
  }
}

/** A copy of a file that can be damaged and restored. */
export class CorruptCopy {
  readonly path: string;
  readonly original: Buffer;
  private readonly handle: FileHandle;

  private constructor(path: string, original: Buffer, handle: FileHandle) {
    this.path = path;
    this.original = original;
    this.handle = handle;
  }

  static async make(source: string, folder: string): Promise<CorruptCopy> {
    const path = join(folder, basename(source));
    await copyFile(source, path);
    return new CorruptCopy(path, await readFile(path), await open(path, "r+"));
  }

  /** Runs `action` while the bytes at `offset` are others. */
  async withBytes<Value>(
    offset: number,
    bytes: Uint8Array,
    action: () => Promise<Value>,
  ): Promise<Value> {
    await this.handle.write(bytes, 0, bytes.length, offset);
    try {
      return await action();
    } finally {
      await this.handle.write(this.original, offset, bytes.length, offset);
    }
  }

  /** Runs `action` while one byte has all bits of `mask` flipped. */
  async withFlip<Value>(
    offset: number,
    mask: number,
    action: () => Promise<Value>,
  ): Promise<Value> {
    return await this.withBytes(offset, Uint8Array.of(this.byteAt(offset) ^ mask), action);
  }

  /** Shortens the file for good. */
  async cut(lengthBytes: number): Promise<void> {
    await this.handle.truncate(lengthBytes);
  }

  /** Where `text` first stands in the file. */
  find(text: string): number {
    const offset = this.original.indexOf(text);
    if (offset < 0) throw new Error(`${text} is not in ${this.path}`);
    return offset;
  }

  byteAt(offset: number): number {
    return this.original[offset] ?? 0;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}
