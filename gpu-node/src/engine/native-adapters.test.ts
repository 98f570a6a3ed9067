// What the native core refuses to pack, each with its code and what is wrong; and what it reads: f32, f16 and bf16.
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeManifest } from "../model/manifest.ts";
import { openModel } from "../model/open-model.ts";
import type { AdapterModuleSpec, AdapterTensor } from "./adapter-spec.ts";
import { DEFAULT_ADDON_PATH } from "./native-addon.ts";
import { openNativeEngine, type NativeEngine } from "./native-engine.ts";

const canRun = existsSync(DEFAULT_ADDON_PATH) || process.env["CI"] !== undefined;
if (!canRun) process.stderr.write("SKIPPED: the native core is not built (npm run build:native)\n");

const TINY_MODEL = new URL("../../../test/fixtures/tiny-llama/tiny-llama.gguf", import.meta.url);
const CAPACITY = {
  rows: 2,
  tokens: 16,
  page_updates: 8,
  sampling_updates: 2,
  slot_resets: 2,
  bias_updates: 1,
  top_tokens: 40,
  copied_pages: 1,
};

let folder = "";
let engine: NativeEngine | undefined;

/** An adapter file of f32, f16 or bf16 values; the tensors of `spec` lie at its start. */
async function fileOf(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

/** Rank 2 on q of layer 1 of the tiny model, whose hidden size and attention width are 64. */
function specOf(path: string, changed: Partial<AdapterModuleSpec> = {}): AdapterModuleSpec {
  const a: AdapterTensor = { path, offset: 0, dtype: "f32", shape: [2, 64] };
  const b: AdapterTensor = { path, offset: 512, dtype: "f32", shape: [64, 2] };
  return { layer: 1, module: "q", rank: 2, scaling: 0.5, a, b, ...changed };
}

function open(adapterType: "f16" | "int8"): NativeEngine {
  return openNativeEngine({
    manifestPath: join(folder, "tiny.manifest"),
    isa: "auto",
    numerics: "int8",
    adapterType,
    pageCount: 8,
    slotCount: 2,
    threadCount: 1,
    capacity: CAPACITY,
  });
}

function opened(): NativeEngine {
  if (engine === undefined) throw new Error("no engine");
  return engine;
}

const VALUES = Float32Array.from({ length: 256 }, (_, i) => (i % 32) / 32 - 0.5);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fairlane-native-adapters-"));
  const model = await openModel(fileURLToPath(TINY_MODEL), { cacheFolder: folder });
  await writeManifest(model, join(folder, "tiny.manifest"));
  engine = open("f16");
});

afterAll(async () => {
  await engine?.close();
  await rm(folder, { recursive: true, force: true });
});

describe.runIf(canRun)("adapters of the native engine", () => {
  it("lays tiles out as its description says: A by ranks, B transposed, zeros where no rank is", async () => {
    const path = await fileOf("f32.bin", new Uint8Array(VALUES.buffer));
    const { pageCount, images, table } = await opened().packAdapter([specOf(path)]);
    expect(pageCount).toBe(1);
    // version, f16, page bytes, pages, modules, tiles; then the module; then page and offset of A's and B's tile.
    const { pageBytes } = opened().info;
    const [half] = new Int32Array(Float32Array.of(0.5).buffer);
    expect([...table]).toEqual([
      ...[1, 0, pageBytes, 1, 1, 2, 0, 0],
      ...[1, 0, 2, half, 0],
      ...[0, 0, 0, 1_024],
    ]);
    const tiles = new Float16Array(images.buffer, 0, 1_024);
    // Chunk 1 of A's rank 1 holds features 32 .. 63.
    const a = tiles.subarray(8 * 32 + 32, 8 * 32 + 64);
    expect([...a]).toEqual([...VALUES.subarray(64 + 32, 64 + 64)]);
    // Chunk 0 of B's rank 1 holds outputs 0 .. 31.
    const b = tiles.subarray(512 + 32, 512 + 64);
    expect([...b]).toEqual(Array.from({ length: 32 }, (_, i) => VALUES[128 + i * 2 + 1]));
    expect([...tiles.subarray(64, 256), ...tiles.subarray(512 + 64, 512 + 256)].some(Boolean)).toBe(
      false,
    );
  });

  it("reads f16 and bf16 to the same bytes as f32, where the values are exact", async () => {
    const f32 = await fileOf("f32.bin", new Uint8Array(VALUES.buffer));
    const f16 = await fileOf("f16.bin", new Uint8Array(Float16Array.from(VALUES).buffer));
    const halves = new Uint16Array(VALUES.buffer);
    const upper = Uint16Array.from({ length: 256 }, (_, i) => halves[i * 2 + 1] ?? 0);
    const bf16 = await fileOf("bf16.bin", new Uint8Array(upper.buffer));
    const expected = await opened().packAdapter([specOf(f32)]);
    for (const [path, dtype] of [
      [f16, "f16"],
      [bf16, "bf16"],
    ] as const) {
      const a = { path, offset: 0, dtype, shape: [2, 64] } as const;
      const b = { path, offset: 256, dtype, shape: [64, 2] } as const;
      expect(await opened().packAdapter([specOf(path, { a, b })])).toEqual(expected);
    }
  });

  it("halves an adapter with int8 tiles, and says so", async () => {
    const path = await fileOf("f32.bin", new Uint8Array(VALUES.buffer));
    await using int8 = { engine: open("int8"), [Symbol.asyncDispose]: () => int8.engine.close() };
    const { table, images } = await int8.engine.packAdapter([specOf(path)]);
    expect([...table.subarray(-4)]).toEqual([0, 0, 0, 512 + 64]);
    expect(int8.engine.info.numericsClass).toContain("/adapters-int8");
    expect(int8.engine.info.adapterLayout).toBe(`tiles-1-int8-${int8.engine.info.pageBytes}`);
    // The largest of rank 0 of A is -0.5: q = -127, and the row's scale 0.5 / 127.
    expect(new Int8Array(images.buffer)[0]).toBe(-127);
    expect(new Float32Array(images.buffer, 512, 1)[0]).toBeCloseTo(0.5 / 127, 9);
    const { table: f16 } = await opened().packAdapter([specOf(path)]);
    const pages = Int32Array.of(0);
    expect(() => int8.engine.setAdapter({ adapterSlot: 0, table: f16, pages })).toThrow("layout");
  });

  it.each([
    ["a missing file", () => specOf("/no/such/file"), "unreadable_file", "/no/such/file"],
    ["a layer too many", (path: string) => specOf(path, { layer: 2 }), "bad_module", "2 layers"],
    ["a rank too high", (path: string) => specOf(path, { rank: 257 }), "bad_rank", "1 .. 256"],
    [
      "the shape of another module",
      (path: string) => specOf(path, { module: "k" }),
      "wrong_shape",
      "layer 1 k B has the shape [64, 2], expected [32, 2]",
    ],
    [
      "a type of no adapter",
      (path: string) => {
        const { a } = specOf(path);
        return specOf(path, { a: { ...a, dtype: "f8" as "f32" } });
      },
      "bad_dtype",
      "not f32, f16 or bf16",
    ],
  ])("refuses %s", async (_, make, code, text) => {
    const path = await fileOf("f32.bin", new Uint8Array(VALUES.buffer));
    const packed = opened().packAdapter([make(path)]);
    await expect(packed).rejects.toMatchObject({
      name: "AdapterError",
      code,
      message: expect.stringContaining(text) as string,
    });
  });

  it("refuses a file that ends too early and values that no tile can hold", async () => {
    const cut = await fileOf("cut.bin", new Uint8Array(VALUES.buffer, 0, 1_023));
    await expect(opened().packAdapter([specOf(cut)])).rejects.toMatchObject({
      code: "truncated_file",
      message: expect.stringContaining("ends before byte 1024") as string,
    });
    for (const value of [NaN, Infinity, 70_000]) {
      const path = await fileOf("odd.bin", new Uint8Array(VALUES.with(77, value).buffer));
      await expect(opened().packAdapter([specOf(path)])).rejects.toMatchObject({
        code: "not_finite",
      });
    }
  });

  it("survives calls with what is no adapter", () => {
    const { info } = opened();
    const images = new Uint8Array(info.pageBytes);
    expect(() => opened().writePages({ pages: Int32Array.of(8), images })).toThrow("not exist");
    expect(() => opened().writePages({ pages: Int32Array.of(0, 1), images })).toThrow("images");
    const pages = Int32Array.of(0);
    for (const table of [new Int32Array(0), new Int32Array(64).fill(-1)]) {
      expect(() => opened().setAdapter({ adapterSlot: 0, table, pages })).toThrow("not sound");
    }
    expect(() => opened().clearAdapter(info.adapterSlots)).toThrow("no such adapter slot");
  });
});
