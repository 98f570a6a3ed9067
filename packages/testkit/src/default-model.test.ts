import { describe, expect, it } from "vitest";
import { statSync } from "node:fs";
import { requireDefaultModel } from "./default-model.ts";

const HERE = import.meta.filename;
const HERE_BYTES = statSync(HERE).size;

function ask(wanted: { path: string; fileBytes: number }, env: Record<string, string> = {}) {
  const lines: string[] = [];
  const path = requireDefaultModel(wanted, "goldens", { env, warn: (line) => lines.push(line) });
  return { path, lines };
}

describe("requireDefaultModel", () => {
  it("gives the path of a model that is there, whole", () => {
    expect(ask({ path: HERE, fileBytes: HERE_BYTES })).toEqual({ path: HERE, lines: [] });
  });

  it("says what is skipped and why", () => {
    const absent = ask({ path: "/dev/null/model.gguf", fileBytes: 5 });
    expect(absent.path).toBeUndefined();
    expect(absent.lines).toEqual([
      "SKIPPED goldens: the default model is not there (/dev/null/model.gguf); `npm test` fetches it\n",
    ]);
    const part = ask({ path: HERE, fileBytes: HERE_BYTES + 1 });
    expect(part.lines[0]).toContain(`has ${HERE_BYTES} of ${HERE_BYTES + 1} bytes`);
  });

  it("fails in CI", () => {
    const wanted = { path: "/dev/null/model.gguf", fileBytes: 5 };
    expect(() => ask(wanted, { CI: "true" })).toThrow("goldens cannot run: the default model");
    expect(ask(wanted, { CI: "" }).path).toBeUndefined();
  });
});
