import { describe, expect, it } from "vitest";
import { ALL_FILES, offences, textOf } from "./source-tree.ts";

const MACHINE_PATH = /(?<![\w.<{*-])\/(?:work|root|farm|home\/\w+)\/|\/tmp\/bash_jobs/;
const BINARY = /\.(gz|gguf|safetensors|bin|png|node)$/;

const files = ALL_FILES.filter((file) => !BINARY.test(file) && !file.startsWith("test/tidy/"));

describe("what belongs to one machine", () => {
  it("names no folder of it", () => {
    expect(files.flatMap((file) => offences(file, MACHINE_PATH))).toEqual([]);
  });

  it("keeps download addresses out of the lock file", () => {
    const lock = textOf("package-lock.json");
    expect(lock).not.toMatch(/"resolved": "https?:/);
    expect(lock).toContain('"lockfileVersion": 3');
  });
});
