// Owns a file of equal records on a disk, and which of them are in use. The file has no name: it goes with the process,
// however that ends. What is in the records, and in which order they are read and written, is the caller's.
// Invariant: the file never grows past the bytes that it was given.
import { randomUUID } from "node:crypto";
import { open, rm, statfs, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

export interface SwapFileOptions {
  readonly folder: string;
  readonly recordBytes: number;
  /** Most bytes of the file; no more than half of what the disk has free are taken. */
  readonly bytesMax: number;
}

export class SwapFile {
  readonly recordBytes: number;
  readonly recordCount: number;
  readonly #handle: FileHandle;
  /** Stack of records that were used before. */
  readonly #freed: number[] = [];
  #freshFrom = 0;

  private constructor(handle: FileHandle, recordBytes: number, recordCount: number) {
    this.#handle = handle;
    this.recordBytes = recordBytes;
    this.recordCount = recordCount;
  }

  /** Makes the file; throws when the folder cannot be written to or not one record has room. */
  static async open({ folder, recordBytes, bytesMax }: SwapFileOptions): Promise<SwapFile> {
    const { bavail, bsize } = await statfs(folder);
    const recordCount = Math.floor(Math.min(bytesMax, (bavail * bsize) / 2) / recordBytes);
    if (recordCount < 1) throw new Error(`no room for a page of ${recordBytes} bytes in ${folder}`);
    const path = join(folder, `fairlane-swap-${randomUUID()}`);
    const handle = await open(path, "wx+", 0o600);
    await rm(path);
    return new SwapFile(handle, recordBytes, recordCount);
  }

  get freeCount(): number {
    return this.recordCount - this.#freshFrom + this.#freed.length;
  }

  get isEmpty(): boolean {
    return this.freeCount === this.recordCount;
  }

  /** Takes records, of which so many are free. */
  allocate(count: number): number[] {
    return Array.from({ length: count }, () => {
      const freed = this.#freed.pop();
      if (freed !== undefined) return freed;
      this.#freshFrom += 1;
      return this.#freshFrom - 1;
    });
  }

  free(records: readonly number[]): void {
    this.#freed.push(...records);
  }

  /** Writes one record. */
  async write(record: number, bytes: Uint8Array): Promise<void> {
    const { recordBytes } = this;
    const { bytesWritten } = await this.#handle.write(bytes, 0, recordBytes, record * recordBytes);
    if (bytesWritten !== recordBytes)
      throw new Error(`${bytesWritten} bytes of a page were written`);
  }

  /** Reads one record. */
  async read(record: number, bytes: Uint8Array): Promise<void> {
    const { recordBytes } = this;
    const { bytesRead } = await this.#handle.read(bytes, 0, recordBytes, record * recordBytes);
    if (bytesRead !== recordBytes) throw new Error(`${bytesRead} bytes of a page were read`);
  }

  /** Gives the disk's space back. Nothing is in use, and no write is under way. */
  async truncate(): Promise<void> {
    this.#freed.length = 0;
    this.#freshFrom = 0;
    await this.#handle.truncate(0);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
