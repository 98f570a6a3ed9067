// Owns the packed forms of adapters outside of the pool: in memory within a bound, least recently used out first, and one
// file each in the cache folder, named by what its content depends on. Which adapter goes where is adapter-residency.ts's.
// Invariants: what was taken in can be had again until it is removed; a file is whole or not there.
import { mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@fairlane/base";
import type { PackedAdapter } from "../engine/adapter-spec.ts";
import { ADAPTER_DISK_BYTES_MAX } from "./limits.ts";

export interface PackedStoreOptions {
  readonly folder: string;
  /** Names the packed form: another layout's files are not read. */
  readonly layout: string;
  readonly pageBytes: number;
  readonly memoryBytesMax: number;
  /** A bound of limits.ts when absent. */
  readonly diskBytesMax?: number;
}

const MAGIC = 0x4c6f_7231;
const HEADER_WORDS = 4;

export class PackedStore {
  readonly #options: PackedStoreOptions;
  /** Least recently used first. */
  readonly #inMemory = new Map<string, PackedAdapter>();
  #memoryBytes = 0;
  #droppedCount = 0;
  #onDropped: ((digest: string) => void) | null = null;
  /** Files are written and removed one after another: what is added again meets what was removed. */
  #files: Promise<unknown> = Promise.resolve();

  private constructor(options: PackedStoreOptions) {
    this.#options = options;
  }

  /** Removes the files of earlier runs that were unused for longest, down to the bound. The folder need not exist. */
  static async open(options: PackedStoreOptions): Promise<PackedStore> {
    await sweep(options.folder, options.diskBytesMax ?? ADAPTER_DISK_BYTES_MAX);
    return new PackedStore(options);
  }

  /** Who hears of adapters that are on disk only from now on; set once. */
  watchDropped(onDropped: (digest: string) => void): void {
    assert(this.#onDropped === null, "the store is watched already");
    this.#onDropped = onDropped;
  }

  /** Where the files are. */
  get folder(): string {
    return this.#options.folder;
  }

  /** Resolves when files that are being written or removed are done with. */
  async settled(): Promise<void> {
    await this.#files;
  }

  /** Adapters that left the memory for others, since the start. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** True when it is in memory. */
  has(digest: string): boolean {
    return this.#inMemory.has(digest);
  }

  /** The packed adapter, when it is in memory; it was used just now. */
  get(digest: string): PackedAdapter | undefined {
    const packed = this.#inMemory.get(digest);
    if (packed === undefined) return undefined;
    this.#inMemory.delete(digest);
    this.#inMemory.set(digest, packed);
    return packed;
  }

  /** Reads it from its file, and keeps it in memory where that has room. Undefined: there is no sound file. */
  read(digest: string): Promise<PackedAdapter | undefined> {
    // After what was written or removed before; several at a time.
    return this.#files.then(async () => {
      const packed = await this.#readFile(this.#pathOf(digest));
      if (packed !== undefined) this.#keep(digest, packed);
      return packed;
    });
  }

  /** Takes it in: writes its file, and keeps it in memory where that has room. Rejects when the disk cannot be used. */
  write(digest: string, packed: PackedAdapter): Promise<void> {
    const { pageBytes } = this.#options;
    assert(packed.images.length === packed.pageCount * pageBytes, `${digest} has odd pages`);
    return this.#inTurn(async () => {
      await this.#writeFile(this.#pathOf(digest), packed);
      this.#keep(digest, packed);
    });
  }

  /** Forgets it, on disk as well. */
  remove(digest: string): Promise<void> {
    this.#drop(digest);
    return this.#inTurn(() => rm(this.#pathOf(digest), { force: true }));
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const acted = this.#files.then(act);
    this.#files = acted.catch(() => undefined);
    return acted;
  }

  async #writeFile(path: string, packed: PackedAdapter): Promise<void> {
    const { pageBytes, folder } = this.#options;
    await mkdir(folder, { recursive: true });
    const temporary = `${path}.${process.pid}.tmp`;
    const header = Int32Array.of(MAGIC, packed.pageCount, pageBytes, packed.table.length);
    try {
      const file = await open(temporary, "w", 0o600);
      try {
        await file.writev([bytesOf(header), bytesOf(packed.table), packed.images]);
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  #pathOf(digest: string): string {
    assert(/^[0-9a-f]{64}$/.test(digest), "an adapter's digest is 64 hexadecimal characters");
    return join(this.#options.folder, `${digest}.${this.#options.layout}.packed`);
  }

  async #readFile(path: string): Promise<PackedAdapter | undefined> {
    const { pageBytes } = this.#options;
    const file = await open(path, "r").catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      const header = new Int32Array(HEADER_WORDS);
      await file.read(bytesOf(header), 0, header.byteLength, 0);
      const [magic, pageCount = 0, ownPageBytes, tableWords = 0] = header;
      const { size } = await file.stat();
      const isSound =
        magic === MAGIC &&
        ownPageBytes === pageBytes &&
        size === header.byteLength + tableWords * 4 + pageCount * pageBytes;
      if (!isSound) return undefined;
      const table = new Int32Array(tableWords);
      const images = new Uint8Array(pageCount * pageBytes);
      const tableRead = await file.read(bytesOf(table), 0, table.byteLength, header.byteLength);
      const imagesAt = header.byteLength + table.byteLength;
      const imagesRead = await file.read(images, 0, images.length, imagesAt);
      if (tableRead.bytesRead + imagesRead.bytesRead !== size - header.byteLength) return undefined;
      // The files unused for longest are swept first.
      const now = new Date();
      await utimes(path, now, now).catch(() => {});
      return { pageCount, images, table };
    } finally {
      await file.close();
    }
  }

  #keep(digest: string, packed: PackedAdapter): void {
    const { memoryBytesMax } = this.#options;
    this.#drop(digest);
    if (bytesIn(packed) > memoryBytesMax) return;
    this.#inMemory.set(digest, packed);
    this.#memoryBytes += bytesIn(packed);
    for (const [oldest] of this.#inMemory) {
      if (this.#memoryBytes <= memoryBytesMax) return;
      this.#drop(oldest);
      this.#droppedCount += 1;
      this.#onDropped?.(oldest);
    }
  }

  #drop(digest: string): void {
    const packed = this.#inMemory.get(digest);
    if (packed === undefined) return;
    this.#inMemory.delete(digest);
    this.#memoryBytes -= bytesIn(packed);
  }
}

/** Bytes of the packed form, as it lies in memory. */
export function bytesIn({ images, table }: PackedAdapter): number {
  return images.length + table.byteLength;
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

async function sweep(folder: string, bytesMax: number): Promise<void> {
  const files: { path: string; bytes: number; usedMs: number }[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() !== true || !name.endsWith(".packed")) continue;
    files.push({ path, bytes: found.size, usedMs: found.mtimeMs });
  }
  let totalBytes = 0;
  for (const { path, bytes } of files.toSorted((one, other) => other.usedMs - one.usedMs)) {
    totalBytes += bytes;
    if (totalBytes > bytesMax) await rm(path, { force: true });
  }
}
