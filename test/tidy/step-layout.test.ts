import { describe, expect, it } from "vitest";
import {
  COLUMN_ALIGN_BYTES,
  FROM_DEVICE,
  HEADER_WORDS,
  NONE,
  PLAN_COLUMNS,
  PLAN_HEADER,
  RESULT_COLUMNS,
  RESULT_HEADER,
  STEP_LAYOUT_VERSION,
} from "../../gpu-node/src/engine/step-layout.ts";
import { textOf } from "./source-tree.ts";

const header = textOf("gpu-node/native/core/step_layout.h");
const typescript = textOf("gpu-node/src/engine/step-layout.ts");

function columnsOf(macro: string): string[][] {
  const body =
    new RegExp(`#define ${macro}\\(X\\)((?:[^\\n]*\\\\\\n)*[^\\n]*)`).exec(header)?.[1] ?? "";
  return [...body.matchAll(/X\((\w+), (\w+), (\w+)\)/g)].map((match) => match.slice(1, 4));
}

function constantOf(name: string): number {
  return Number(new RegExp(`${name} = (-?\\d+)`).exec(header)?.[1] ?? Number.NaN);
}

/** Words of `enum PlanHeader`, without the prefix, as the TypeScript side names them. */
function wordsOf(enumName: string, prefix: string): Record<string, number> {
  const body = new RegExp(`enum ${enumName} : int32_t \\{([^}]*)\\}`).exec(header)?.[1] ?? "";
  const words = [...body.matchAll(new RegExp(`${prefix}(\\w+) = (\\d+)`, "g"))];
  return Object.fromEntries(
    words.map(([, name = "", value]) => [
      name.charAt(0).toLowerCase() + name.slice(1),
      Number(value),
    ]),
  );
}

function fieldsOf(source: string, pattern: RegExp): string[] {
  const body = pattern.exec(source)?.[1] ?? "";
  return [...body.matchAll(/(?:int32_t|readonly) (\w+)/g)].map((match) => match[1] ?? "");
}

describe("step layout", () => {
  it("has the same plan columns in both languages", () => {
    expect(columnsOf("FAIRLANE_PLAN_COLUMNS")).toHaveLength(36);
    expect(columnsOf("FAIRLANE_PLAN_COLUMNS")).toEqual(PLAN_COLUMNS.map((column) => [...column]));
  });

  it("has the same result columns in both languages", () => {
    expect(columnsOf("FAIRLANE_RESULT_COLUMNS")).toHaveLength(8);
    expect(columnsOf("FAIRLANE_RESULT_COLUMNS")).toEqual(
      RESULT_COLUMNS.map((column) => [...column]),
    );
  });

  it("has the same header words and capacities", () => {
    expect(wordsOf("PlanHeader", "kPlan")).toEqual(PLAN_HEADER);
    expect(wordsOf("ResultHeader", "kResult")).toEqual(RESULT_HEADER);
    const native = fieldsOf(header, /struct StepCapacity \{([^}]*)\}/);
    expect(native).toHaveLength(8);
    expect(native).toEqual(fieldsOf(typescript, /interface StepCapacity \{([^}]*)\}/));
  });

  it("has the same constants", () => {
    expect(constantOf("kStepLayoutVersion")).toBe(STEP_LAYOUT_VERSION);
    expect(constantOf("kHeaderWords")).toBe(HEADER_WORDS);
    expect(constantOf("kColumnAlignBytes")).toBe(COLUMN_ALIGN_BYTES);
    expect(constantOf("kFromDevice")).toBe(FROM_DEVICE);
    expect(constantOf("kNone")).toBe(NONE);
  });
});
