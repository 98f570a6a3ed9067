import { isLongRun } from "@fairlane/testkit";
import { describe, expect, it } from "vitest";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openModel } from "./open-model.ts";
import { readSafetensors } from "./safetensors.ts";
import { CorruptCopy, temporaryFolder, verdict } from "./testing/corrupt-copy.ts";
import { hfCopy, splitWeights, TINY_HF, writeIndex, writeSafetensors } from "./testing/hf-copy.ts";

/** One of so many bytes is flipped; the long run flips them all. */
const FLIP_STRIDE = isLongRun() ? 1 : 3;
const NO_CACHE = { cacheFolder: "/dev/null/none" };

describe("readSafetensors", () => {
  it("reads a single file", async () => {
    const { files, tensors } = await readSafetensors(TINY_HF);
    expect(files).toEqual([{ path: join(TINY_HF, "model.safetensors"), fileBytes: 240_288 }]);
    expect(tensors).toHaveLength(20);
    const embedding = tensors.find((tensor) => tensor.name === "model.embed_tokens.weight");
    expect(embedding).toMatchObject({ type: "bf16", dims: [512, 64], sizeBytes: 65_536 });
  });

  it("reads several files by their index, in the order of their names", async () => {
    await using folder = await hfCopy();
    await splitWeights(folder.path);
    const { files, tensors } = await readSafetensors(folder.path);
    expect(files.map((file) => file.path)).toEqual([
      join(folder.path, "model-00001-of-00002.safetensors"),
      join(folder.path, "model-00002-of-00002.safetensors"),
    ]);
    expect(tensors).toHaveLength(20);
    expect(new Set(tensors.map((tensor) => tensor.fileIndex))).toEqual(new Set([0, 1]));
    await expect(openModel(folder.path, NO_CACHE)).resolves.toMatchObject({ contextTokens: 512 });
  });

  it("refuses an index that does not fit the files", async () => {
    await using folder = await hfCopy();
    const weightMap = await splitWeights(folder.path);
    const name = "model.norm.weight";
    const [one, two] = [1, 2].map((part) => `model-0000${part}-of-00002.safetensors`);
    const read = () => verdict(() => readSafetensors(folder.path));
    await writeIndex(folder.path, { ...weightMap, [name]: weightMap[name] === one ? two : one });
    expect(await read()).toBe(name);
    await writeIndex(folder.path, { ...weightMap, "model.extra.weight": one });
    expect(await read()).toBe("model.extra.weight");
    await writeIndex(folder.path, { ...weightMap, [name]: "../../elsewhere.safetensors" });
    expect(await read()).toBe(name);
    await writeIndex(folder.path, { ...weightMap, [name]: "absent.safetensors" });
    expect(await read()).toBe("file");
    await writeIndex(folder.path, {});
    expect(await read()).toBe("weight_map");
    await writeFile(join(folder.path, "model.safetensors.index.json"), "{");
    expect(await read()).toBe("JSON");
  });
});

describe("a damaged safetensors file", () => {
  const entry = { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] };
  const verdictOf = async (header: unknown, dataBytes = 24) => {
    await using folder = await temporaryFolder();
    await writeSafetensors(join(folder.path, "model.safetensors"), header, Buffer.alloc(dataBytes));
    return await verdict(() => readSafetensors(folder.path));
  };

  it("is refused by the tensor's name", async () => {
    expect(await verdictOf({ a: entry })).toBe("opened");
    expect(await verdictOf({ a: { ...entry, dtype: "I64" } })).toBe("a");
    expect(await verdictOf({ a: { ...entry, shape: [2, -3] } })).toBe("a");
    expect(await verdictOf({ a: { ...entry, shape: [2, 0] } })).toBe("a");
    expect(await verdictOf({ a: { ...entry, shape: [2, 1.5] } })).toBe("a");
    expect(await verdictOf({ a: { ...entry, shape: [1e300, 1e300] } })).toBe("a");
    expect(await verdictOf({ a: { ...entry, shape: "6" } })).toBe("a");
    expect(await verdictOf({ a: { ...entry, data_offsets: [0, 23] } })).toBe("a");
    expect(await verdictOf({ a: { ...entry, data_offsets: [24, 48] } })).toBe("a");
    expect(await verdictOf({ a: { ...entry, data_offsets: [-24, 0] } })).toBe("a");
    expect(await verdictOf({ a: { ...entry, data_offsets: [0] } })).toBe("a");
    expect(await verdictOf({ a: null })).toBe("a");
    expect(await verdictOf({ a: entry, b: entry })).toMatch(/^[ab]$/);
  });

  it("is refused for a hole, an illegible name, a header that is no object", async () => {
    expect(await verdictOf({ a: entry }, 28)).toBe("data");
    expect(await verdictOf({ "a b": entry })).toBe("header");
    expect(await verdictOf([entry])).toBe("JSON");
    expect(await verdictOf({ __metadata__: { format: "pt" }, a: entry })).toBe("opened");
  });

  it("is refused for a header length that cannot be", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "model.safetensors");
    const read = () => verdict(() => readSafetensors(folder.path));
    for (const length of [0n, 1n, 100n, 2n ** 40n, 2n ** 64n - 1n]) {
      const bytes = Buffer.alloc(16);
      bytes.writeBigUInt64LE(length);
      await writeFile(path, bytes);
      expect(await read()).toBe("header length");
    }
    await writeFile(path, "short");
    expect(await read()).toBe("header length");
    await writeFile(path, "");
    expect(await read()).toBe("header length");
  });

  it("never breaks its reader, whichever byte of the header is flipped", async () => {
    await using folder = await hfCopy();
    const copy = await CorruptCopy.make(join(TINY_HF, "model.safetensors"), folder.path);
    const headerBytes = 8 + Number(copy.original.readBigUInt64LE());
    let opened = 0;
    for (let offset = 0; offset < headerBytes; offset += FLIP_STRIDE) {
      const said = await copy.withFlip(offset, offset % 2 ? 0xff : 0x01, () =>
        verdict(() => openModel(folder.path, NO_CACHE)),
      );
      if (said === "opened") opened++;
    }
    // Only the free text of __metadata__ and white space may change unseen.
    expect(opened).toBeLessThan(30 / FLIP_STRIDE);
    await copy.close();
  }, 120_000);

  it("is refused wherever it is cut", async () => {
    await using folder = await hfCopy();
    const copy = await CorruptCopy.make(join(TINY_HF, "model.safetensors"), folder.path);
    for (let length = copy.original.length - 1; length >= 0; length -= 997) {
      await copy.cut(length);
      expect(await verdict(() => readSafetensors(folder.path)), `cut to ${length}`).not.toBe(
        "opened",
      );
    }
    await copy.close();
  });
});
