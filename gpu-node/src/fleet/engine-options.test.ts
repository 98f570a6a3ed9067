// Worked by hand: the tiny llama keeps K and V of 2 layers x 2 heads x 16 values a token: 256 bytes in f16, so 4,096 a page;
// in int8 8 x (16 + 4) x 16 = 2,560 a page, and twice the 4,096 in f32.
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../config.ts";
import { openModel, type OpenedModel } from "../model/open-model.ts";
import { workerOptions } from "./engine-options.ts";

const TINY_MODEL = new URL("../../../test/fixtures/tiny-llama/tiny-llama.gguf", import.meta.url);
let opened: OpenedModel;

beforeAll(async () => {
  opened = await openModel(fileURLToPath(TINY_MODEL), { cacheFolder: "/dev/null/none" });
});

function pageCount(...flags: string[]): number {
  const config = parseConfig(["--kv-memory", "1MiB", ...flags], {});
  if (config === "help") throw new Error("no configuration");
  const machine = { coreCount: 2, availableBytes: 2 ** 30 };
  return workerOptions({ config, opened, manifestPath: "tiny.manifest", machine }).engine.pageCount;
}

describe("workerOptions", () => {
  it("fills the pool's memory with pages of the KV type", () => {
    expect([
      pageCount(),
      pageCount("--kv-type", "int8"),
      pageCount("--numerics", "f32", "--isa", "generic"),
    ]).toEqual([256, 409, 128]);
  });
});
