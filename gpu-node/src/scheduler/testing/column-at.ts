// Owns the checked reading of a column in tests.
import { assert } from "@fairlane/base";

/** The element at `index`, which must exist. */
export function at(column: Int32Array | Float32Array, index: number): number {
  const value = column[index];
  assert(value !== undefined, `index ${index} of ${column.length}`);
  return value;
}
