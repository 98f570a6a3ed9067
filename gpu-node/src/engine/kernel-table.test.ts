// Tests of the table of kernels: what ships, what is measured, what is read back and what is refused.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kernelTable, measureKernels } from "./kernel-table.ts";

const GENERIC = { isa: "generic", numerics: "int8" } as const;
const SHIPPED = `fairlane-kernels 1
isa generic
attention f32
f32 1 1 3 3 3 3 3 3 3 3 3 3 3 3 3 3
q8 1 1 1 4 4 4 4 4 4 4 4 4 4 4 4 4
q4 1 1 1 4 4 4 4 4 4 4 4 4 4 4 4 4
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kernels-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the table of kernels", () => {
  it("is the plug-in's own where no file is given", () => {
    expect(kernelTable(GENERIC)).toBe(SHIPPED);
  });

  it("is read from a file, and keeps the plug-in's own for formats that it does not name", async () => {
    const kernelsPath = join(folder, "one.txt");
    await writeFile(
      kernelsPath,
      "fairlane-kernels 1\nisa generic\nq4 1 2 3 4 4 4 4 4 4 4 4 4 4 4 4 2\n",
    );
    expect(kernelTable({ ...GENERIC, kernelsPath })).toBe(
      SHIPPED.replace("q4 1 1 1 4 4 4 4 4 4 4 4 4 4 4 4 4", "q4 1 2 3 4 4 4 4 4 4 4 4 4 4 4 4 2"),
    );
  });

  it("decides on the arithmetic of attention where nobody insists", async () => {
    const kernelsPath = join(folder, "attention.txt");
    await writeFile(kernelsPath, "fairlane-kernels 1\nisa generic\nattention f32\n");
    expect(kernelTable({ ...GENERIC, kernelsPath })).toBe(SHIPPED);
    expect(() => kernelTable({ ...GENERIC, kernelsPath, attention: "bf16" })).toThrow(
      "attention in bf16 needs a CPU with AVX512_BF16",
    );
    await writeFile(kernelsPath, "fairlane-kernels 1\nisa generic\nattention bf16\n");
    expect(() => kernelTable({ ...GENERIC, kernelsPath })).toThrow(
      "attention must be f32, or bf16",
    );
  });

  it("is measured for this machine in the form that is read", async () => {
    const measured = measureKernels(GENERIC);
    const kernelsPath = join(folder, "measured.txt");
    await writeFile(kernelsPath, measured);
    expect(kernelTable({ ...GENERIC, kernelsPath })).toBe(measured);
  });

  it("refuses the table of another plug-in, and a file that is none", async () => {
    const kernelsPath = join(folder, "other.txt");
    await writeFile(kernelsPath, "fairlane-kernels 1\nisa avx9\n");
    expect(() => kernelTable({ ...GENERIC, kernelsPath })).toThrow(
      'is the table of the plug-in "avx9", not of generic',
    );
    expect(() => kernelTable({ ...GENERIC, kernelsPath: join(folder, "absent") })).toThrow(
      "is no table of kernels",
    );
  });
});
