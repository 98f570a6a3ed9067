// Sealed files over a bucket in memory: what is read from any byte on, and that nothing opens but what was written there.
import type { R2Bucket } from "@cloudflare/workers-types";
import { describe, expect, it } from "vitest";
import { filesKeyOf } from "./files-key.ts";
import { SealedFiles, type SealedRef } from "./sealed-files.ts";
import { clearBytesOf, sealedLayout } from "./sealed-layout.ts";

const { CHUNK_BYTES, HEAD_BYTES, SEALED_CHUNK_BYTES } = sealedLayout;

const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };

function lengthStream() {
  return new TransformStream<Uint8Array, Uint8Array>();
}

/** What the store asks of R2, over a map. */
class MemoryBucket {
  readonly objects = new Map<string, Uint8Array>();

  async put(name: string, body: ReadableStream<Uint8Array>): Promise<void> {
    const bytes = new Uint8Array(await new Response(body).arrayBuffer());
    this.objects.set(name, bytes);
  }

  get(name: string, { range }: { range: { offset: number; length?: number } }) {
    const bytes = this.objects.get(name);
    if (bytes === undefined) return Promise.resolve(null);
    const end = range.length === undefined ? bytes.length : range.offset + range.length;
    const part = new Response(bytes.slice(range.offset, end));
    return Promise.resolve({
      size: bytes.length,
      etag: "e",
      body: part.body,
      arrayBuffer: () => part.arrayBuffer(),
    });
  }
}

const memory = new MemoryBucket();

async function filesOf(tenantId: string, secret = "a-secret-of-the-server"): Promise<SealedFiles> {
  const key = await filesKeyOf(secret, tenantId);
  const bucket = memory as unknown as R2Bucket;
  return new SealedFiles({ bucket, tenantId, key, random, lengthStream });
}

const ref = (id: string): SealedRef => ({ kind: "files", id });

/** Bytes that tell of their place. */
function bytesOf(count: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: count }, (_, at) => (at * 31 + (at >> 16)) & 255);
}

async function* inPieces(bytes: Uint8Array, pieceBytes: number) {
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    yield bytes.subarray(from, from + pieceBytes);
  }
}

async function readFrom(files: SealedFiles, id: string, fromByte = 0) {
  const content = await files.get(ref(id), fromByte);
  return new Uint8Array(await new Response(content?.body).arrayBuffer());
}

const damaged = { value: { code: "file_damaged" } };

describe("SealedFiles", () => {
  it.each([
    0,
    1,
    CHUNK_BYTES - 1,
    CHUNK_BYTES,
    CHUNK_BYTES + 1,
    2 * CHUNK_BYTES,
    2 * CHUNK_BYTES + 7,
  ])("gives %d bytes back, whole and from any byte on", async (count) => {
    const files = await filesOf("ten_sizes");
    const bytes = bytesOf(count);
    await files.put(ref("f"), inPieces(bytes, 50_001), count);
    expect((await files.get(ref("f")))?.clearBytes).toBe(count);
    for (const from of [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, count]) {
      expect(await readFrom(files, "f", from)).toEqual(bytes.subarray(from));
    }
  });

  it("stores nothing of a source that is longer or shorter than it said", async () => {
    const files = await filesOf("ten_lengths");
    for (const claimed of [99, 101]) {
      await expect(files.put(ref("f"), inPieces(bytesOf(100), 30), claimed)).rejects.toThrow(
        /a file of/,
      );
    }
    expect(await files.get(ref("f"))).toBeUndefined();
  });

  it("opens under its tenant, its name and its secret alone", async () => {
    const files = await filesOf("ten_owner");
    await files.put(ref("f"), inPieces(bytesOf(10), 10), 10);
    const sealed = memory.objects.get("ten_owner/files/f") ?? new Uint8Array();
    memory.objects.set("ten_other/files/f", sealed);
    memory.objects.set("ten_owner/files/g", sealed);
    memory.objects.set("ten_owner/file-parts/f", sealed);
    await expect((await filesOf("ten_other")).get(ref("f"))).rejects.toMatchObject(damaged);
    await expect(files.get(ref("g"))).rejects.toMatchObject(damaged);
    await expect(files.get({ kind: "file-parts", id: "f" })).rejects.toMatchObject(damaged);
    const others = await filesOf("ten_owner", "another-secret");
    await expect(others.get(ref("f"))).rejects.toMatchObject(damaged);
    expect(await readFrom(files, "f")).toEqual(bytesOf(10));
  });

  it("never seals two files alike, and shows nothing of their text", async () => {
    const files = await filesOf("ten_twice");
    const text = new TextEncoder().encode("a prompt that nobody else may read");
    const sealed: string[] = [];
    for (const _ of [1, 2]) {
      await files.put(ref("f"), inPieces(text, 9), text.length);
      const bytes = memory.objects.get("ten_twice/files/f") ?? new Uint8Array();
      sealed.push(new TextDecoder("latin1").decode(bytes));
    }
    expect(sealed[0]).not.toBe(sealed[1]);
    expect(sealed.join("")).not.toContain("prompt");
  });
});

describe("a sealed file that was changed", () => {
  const count = 3 * CHUNK_BYTES + 5;
  const chunk = (bytes: Uint8Array, index: number) =>
    bytes.slice(
      HEAD_BYTES + index * SEALED_CHUNK_BYTES,
      HEAD_BYTES + (index + 1) * SEALED_CHUNK_BYTES,
    );
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

  it.each([
    ["in its magic", (bytes: Uint8Array) => flipped(bytes, 0)],
    ["in its salt", (bytes: Uint8Array) => flipped(bytes, 10)],
    ["in a byte of a later chunk", (bytes: Uint8Array) => flipped(bytes, 2 * SEALED_CHUNK_BYTES)],
    ["in its last tag", (bytes: Uint8Array) => flipped(bytes, bytes.length - 1)],
    ["by cutting bytes off", (bytes: Uint8Array) => bytes.slice(0, -1)],
    ["by cutting the last chunk off", (bytes: Uint8Array) => bytes.slice(0, -(5 + 16))],
    ["by cutting all chunks off", (bytes: Uint8Array) => bytes.slice(0, HEAD_BYTES)],
    ["by adding a byte", (bytes: Uint8Array) => join(bytes, Uint8Array.of(1))],
    [
      "by exchanging two chunks",
      (bytes: Uint8Array) =>
        join(bytes.slice(0, HEAD_BYTES), ...[1, 0, 2, 3].map((index) => chunk(bytes, index))),
    ],
    [
      "by taking a chunk out",
      (bytes: Uint8Array) =>
        join(bytes.slice(0, HEAD_BYTES), ...[0, 2, 3].map((index) => chunk(bytes, index))),
    ],
    ["by repeating the last one", (bytes: Uint8Array) => join(bytes, chunk(bytes, 3))],
  ])("%s is refused", async (_, change) => {
    const files = await filesOf("ten_changed");
    await files.put(ref("f"), inPieces(bytesOf(count), CHUNK_BYTES), count);
    const name = "ten_changed/files/f";
    memory.objects.set(name, change(memory.objects.get(name) ?? new Uint8Array()));
    await expect(readFrom(files, "f")).rejects.toMatchObject(damaged);
  });

  it("is refused at its end even by who wants nothing more of it", async () => {
    const files = await filesOf("ten_changed");
    await files.put(ref("f"), inPieces(bytesOf(count), CHUNK_BYTES), count);
    const name = "ten_changed/files/f";
    const cut = (memory.objects.get(name) ?? new Uint8Array()).slice(0, -(5 + 16));
    memory.objects.set(name, cut);
    expect(clearBytesOf(cut.length)).toBe(3 * CHUNK_BYTES);
    await expect(files.get(ref("f"), 3 * CHUNK_BYTES)).rejects.toMatchObject(damaged);
  });
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}
