// Shows that a counter is exact under weights, charges and refunds, and what it refuses.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isWeight, VirtualCounter } from "./counter.ts";

function counterOf(weight: number): VirtualCounter {
  const counter = new VirtualCounter();
  counter.setWeight(weight);
  return counter;
}

describe("VirtualCounter", () => {
  it("W22: does not drift: a million charges of 10/7000", () => {
    const counter = counterOf(7_000);
    for (let count = 0; count < 1_000_000; count++) counter.charge(10);
    expect(counter.key).toBe(1_428);
    expect(counter.carry).toBe(4_000);
  });

  it("is the exact quotient, rounded down, of what was charged and given back", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.array(fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }), { maxLength: 50 }),
        (weight, charges) => {
          const counter = counterOf(weight);
          for (const units of charges) counter.charge(units);
          const sum = charges.reduce((total, units) => total + BigInt(units), 0n);
          const key = BigInt(counter.key) * BigInt(weight) + BigInt(counter.carry);
          expect(key).toBe(sum);
          expect(counter.carry).toBeGreaterThanOrEqual(0);
          expect(counter.carry).toBeLessThan(weight);
        },
      ),
    );
  });

  it("E14: divides by the weight in force, and does not move when the weight changes", () => {
    const counter = counterOf(1);
    counter.charge(100);
    counter.setWeight(4);
    expect(counter.key).toBe(100);
    counter.charge(100);
    expect(counter.key).toBe(125);
    counter.setWeight(1);
    counter.charge(100);
    expect(counter.key).toBe(225);
  });

  it("E15: refuses a weight that is not an integer from 1 to a million", () => {
    for (const weight of [0, -1, Number.NaN, 0.5, Number.POSITIVE_INFINITY, 1_000_001]) {
      expect(isWeight(weight)).toBe(false);
      expect(() => counterOf(weight)).toThrow("a weight is an integer from 1 to 1000000");
    }
    expect([isWeight(1), isWeight(1_000_000)]).toEqual([true, true]);
  });

  it("is raised by a lift and never lowered", () => {
    const counter = counterOf(3);
    counter.charge(100);
    counter.liftTo(20);
    expect([counter.key, counter.carry]).toEqual([33, 1]);
    counter.liftTo(40);
    expect([counter.key, counter.carry]).toEqual([40, 0]);
  });

  it("stops before it would lose units", () => {
    const counter = counterOf(1);
    counter.charge(Number.MAX_SAFE_INTEGER);
    expect(() => counter.charge(1)).toThrow("makes the counter 9007199254740992");
  });
});
