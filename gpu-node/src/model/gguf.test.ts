import { isLongRun } from "@fairlane/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { open } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ChatTemplate } from "../tokenize/chat-template.ts";
import { Tokenizer } from "../tokenize/tokenizer.ts";
import { readGguf } from "./gguf.ts";
import { ModelError } from "./model-error.ts";
import { openModel } from "./open-model.ts";
import { CorruptCopy, temporaryFolder, verdict } from "./testing/corrupt-copy.ts";

const FIXTURES = resolve(import.meta.dirname, "../../../test/fixtures/tiny-llama");
const TINY = join(FIXTURES, "tiny-llama.gguf");
const HEADER_BYTES = 13_344;
const FILE_BYTES = 103_200;
// No stamp can be written here, so each reading is of the file as it is now.
/** One of so many bytes is flipped; the long run flips them all. */
const FLIP_STRIDE = isLongRun() ? 1 : 3;
const NO_CACHE = { cacheFolder: "/dev/null/none" };

describe("readGguf", () => {
  it("reads tensors with absolute offsets and dims outermost first", async () => {
    const gguf = await readGguf(TINY);
    expect(gguf.fileBytes).toBe(FILE_BYTES);
    expect(gguf.tensors).toHaveLength(20);
    expect(gguf.tensors[0]).toEqual({
      name: "token_embd.weight",
      type: "q8_0",
      dims: [512, 64],
      fileIndex: 0,
      offsetBytes: 13_344,
      sizeBytes: 34_816,
    });
    const last = gguf.tensors.at(-1);
    expect(last?.name).toBe("output_norm.weight");
    expect((last?.offsetBytes ?? 0) + (last?.sizeBytes ?? 0)).toBe(FILE_BYTES);
    expect(gguf.metadata.text("general.architecture")).toBe("llama");
    expect(gguf.metadata.number("llama.context_length")).toBe(512);
    expect(gguf.metadata.texts("tokenizer.ggml.tokens")).toHaveLength(512);
  });

  it("reads every type of the mixed file", async () => {
    const { tensors } = await readGguf(join(FIXTURES, "tiny-llama-mixed.gguf"));
    expect(new Set(tensors.map((tensor) => tensor.type))).toEqual(
      new Set(["f16", "f32", "q5_0", "q5_1", "q4_0", "q8_0", "bf16", "q4_1"]),
    );
  });

  it("names a key of the wrong type", async () => {
    const { metadata } = await readGguf(TINY);
    expect(() => metadata.number("general.name")).toThrow(/general\.name: is not a number/);
    expect(() => metadata.texts("tokenizer.ggml.token_type")).toThrow(/is not an array of strings/);
    expect(metadata.number("__proto__")).toBeUndefined();
  });

  it("refuses what is no regular file", async () => {
    await expect(readGguf(join(FIXTURES, "absent.gguf"))).rejects.toThrow(ModelError);
    await expect(readGguf(FIXTURES)).rejects.toThrow(ModelError);
  });
});

describe("a damaged GGUF file", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let copy: CorruptCopy;
  beforeAll(async () => {
    folder = await temporaryFolder();
    copy = await CorruptCopy.make(TINY, folder.path);
  });
  afterAll(async () => {
    await copy.close();
    await folder[Symbol.asyncDispose]();
  });

  const read = () => readGguf(copy.path);
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const u64 = (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return bytes;
  };
  // After a tensor's name: count of dims (4 bytes), dims (8 each), type (4), offset (8).
  const afterName = (name: string) => copy.find(name) + name.length;
  const damage = (offset: number, bytes: Uint8Array) =>
    copy.withBytes(offset, bytes, () => verdict(read));

  it("is refused for its magic, version, counts", async () => {
    expect(await damage(0, Buffer.from("GGML"))).toBe("magic");
    expect(await damage(4, u32(1))).toBe("version");
    expect(await damage(4, u32(4))).toBe("version");
    expect(await damage(4, Buffer.from([0, 0, 0, 3]))).toBe("version");
    expect(await damage(8, u64(2n ** 63n))).toBe("tensor_count");
    expect(await damage(16, u64(1_000_000_000n))).toBe("metadata_kv_count");
    // One tensor too many, one too few.
    expect(await damage(8, u64(21n))).not.toBe("opened");
    expect(await damage(16, u64(27n))).not.toBe("opened");
  });

  it("is refused by the tensor's name for type, dims, offset", async () => {
    const name = "blk.0.attn_q.weight";
    const at = afterName(name);
    expect(await damage(at, u32(0))).toBe(name);
    expect(await damage(at, u32(5))).toBe(name);
    expect(await damage(at + 4, u64(0n))).toBe(name);
    expect(await damage(at + 4, u64(63n))).toBe(name);
    expect(await damage(at + 4, u64(2n ** 40n))).toBe(name);
    expect(await damage(at + 20, u32(99))).toBe(name);
    expect(await damage(at + 24, u64(1n))).toBe(name);
    expect(await damage(at + 24, u64(2n ** 62n))).toBe(name);
    expect(await damage(at + 24, u64(BigInt(FILE_BYTES)))).toBe(name);
  });

  it("is refused when two tensors share bytes or a name", async () => {
    const at = afterName("blk.0.attn_k.weight");
    // The offset of blk.0.attn_norm.weight.
    expect(await damage(at + 24, u64(34_816n))).toMatch(/^blk\.0\.attn_(k|q|norm)\.weight$/);
    const twin = copy.find("blk.0.attn_v.weight");
    expect(await damage(twin, Buffer.from("blk.0.attn_k.weight"))).toBe("blk.0.attn_k.weight");
    const key = copy.find("llama.block_count");
    expect(await damage(key, Buffer.from("general.basename".padEnd(17, "s")))).toBe("opened");
    const second = copy.find("tokenizer.ggml.bos_token_id");
    expect(await damage(second, Buffer.from("tokenizer.ggml.eos_token_id"))).toBe(
      "tokenizer.ggml.eos_token_id",
    );
  });

  it("is refused for an array that claims too much", async () => {
    const key = "tokenizer.ggml.tokens";
    const at = copy.find(key) + key.length;
    // Value type (4), element type (4), length (8).
    expect(await damage(at + 8, u64(999_999n))).toMatch(/^tokenizer\.ggml\.tokens\[/);
    expect(await damage(at + 8, u64(2n ** 63n))).toBe(key);
    expect(await damage(at + 4, u32(9))).toBe(key);
    expect(await damage(at + 4, u32(13))).toBe(key);
    expect(await damage(at, u32(200))).toBe(key);
    expect(await damage(at + 16, u64(2n ** 40n))).toBe(`${key}[0]`);
  });

  it("never breaks its reader, whichever byte of the header is flipped", async () => {
    const open = async () => {
      const model = await openModel(copy.path, NO_CACHE);
      const tokenizer = new Tokenizer(model.tokenizerSource);
      tokenizer.decode(tokenizer.encode("Hello 12 <|im_end|> é", { specialTokens: "parse" }));
      if (model.chatTemplate) new ChatTemplate(model.chatTemplate, { nowMs: () => 0 });
    };
    // Inside the long token and merge lists every fifth byte, elsewhere every one.
    const listsStart = copy.find("tokenizer.ggml.tokens") + 200;
    const listsEnd = copy.find("tokenizer.ggml.bos_token_id") - 200;
    const counts = { opened: 0, refused: 0 };
    for (let offset = 0; offset < HEADER_BYTES; offset += FLIP_STRIDE) {
      if (offset > listsStart && offset < listsEnd && offset % 5 !== 0) continue;
      const mask = [0xff, 0x01, 0x80, 0x20][offset % 4] ?? 0xff;
      const said = await copy.withFlip(offset, mask, () => verdict(open));
      if (said === "opened") counts.opened++;
      else counts.refused++;
    }
    // Padding, the template's text, the model's name and a few numbers may change unseen; the rest may not.
    expect(counts.opened).toBeLessThan(500 / FLIP_STRIDE);
    expect(counts.refused).toBeGreaterThan(3_500 / FLIP_STRIDE);
  }, 120_000);

  it("opens with flipped weights: they are numbers like any others", async () => {
    for (let offset = HEADER_BYTES; offset < FILE_BYTES; offset += 7_919) {
      expect(await copy.withFlip(offset, 0xff, () => verdict(read))).toBe("opened");
    }
  });

  it("is refused wherever it is cut", async () => {
    const short = await CorruptCopy.make(join(FIXTURES, "tiny-llama-f16.gguf"), folder.path);
    const lengths: number[] = [];
    for (let length = short.original.length - 1; length >= HEADER_BYTES; length -= 4_999) {
      lengths.push(length);
    }
    for (let length = HEADER_BYTES; length >= 0; length -= 7) lengths.push(length);
    for (const length of [...lengths, 9, 8, 5, 4, 3, 1, 0].toSorted((a, b) => b - a)) {
      await short.cut(length);
      expect(await verdict(() => readGguf(short.path)), `cut to ${length}`).not.toBe("opened");
    }
    await short.close();
  }, 60_000);

  it("is refused when it is long but empty, without reading it all", async () => {
    const path = join(folder.path, "zeros.gguf");
    const handle = await open(path, "w");
    await handle.write(Buffer.from("GGUF\u0003\0\0\0"), 0, 8, 0);
    // 65,536 is above the bound for tensors; 4,096 entries are not, and their keys are empty.
    await handle.write(u64(4_096n), 0, 8, 16);
    await handle.truncate(2 ** 33);
    await handle.close();
    expect(await verdict(() => readGguf(path))).toBe("metadata entry 0");
  });
});
