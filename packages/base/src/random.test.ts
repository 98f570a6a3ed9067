// The pool over a source that counts: every byte of the source is given at most once, in order.
import { expect, it } from "vitest";
import { pooledRandom } from "./random.ts";

function countedSource() {
  let next = 0;
  let calls = 0;
  const fill = (target: Uint8Array<ArrayBuffer>) => {
    calls += 1;
    const view = new DataView(target.buffer, target.byteOffset, target.length);
    for (let at = 0; at + 4 <= target.length; at += 4) view.setUint32(at, next++);
    return target;
  };
  return { fill, calls: () => calls };
}

it("gives other bytes each time, from few calls of the source", () => {
  const source = countedSource();
  const random = pooledRandom(source.fill);
  const seen = new Set<string>();
  for (let id = 0; id < 1_000; id++) seen.add(random.fill(new Uint8Array(16)).join());
  expect(seen.size).toBe(1_000);
  expect(source.calls()).toBe(4);
});

it("fills the whole target and no more of its buffer", () => {
  const random = pooledRandom(countedSource().fill);
  random.fill(new Uint8Array(4));
  const buffer = new Uint8Array(12);
  expect(random.fill(buffer.subarray(4, 8))).toEqual(new Uint8Array([0, 0, 0, 1]));
  expect(buffer).toEqual(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
});

it("asks the source itself for more than a pool", () => {
  const source = countedSource();
  const random = pooledRandom(source.fill);
  const many = random.fill(new Uint8Array(8_192));
  expect(new DataView(many.buffer).getUint32(8_188)).toBe(2_047);
  expect(random.fill(new Uint8Array(4))).toEqual(new Uint8Array([0, 0, 8, 0]));
});
