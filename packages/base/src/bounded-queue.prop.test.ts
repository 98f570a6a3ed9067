// BoundedQueue against a plain array that refuses when it is full.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BoundedQueue } from "./bounded-queue.ts";

type Command =
  | { readonly kind: "push"; readonly item: number }
  | { readonly kind: "shift" }
  | { readonly kind: "removeEven" };

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("push" as const), item: fc.nat(99) }) },
  { weight: 4, arbitrary: fc.constant({ kind: "shift" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "removeEven" as const }) },
);

const isEven = (item: number) => item % 2 === 0;

describe("BoundedQueue", () => {
  it("behaves like an array with a capacity", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(command), (capacity, commands) => {
        const queue = new BoundedQueue<number>(capacity);
        let model: number[] = [];
        for (const step of commands) {
          if (step.kind === "push") {
            const fits = model.length < capacity;
            if (fits) model.push(step.item);
            expect(queue.push(step.item)).toBe(fits);
          } else if (step.kind === "shift") {
            expect(queue.shift()).toBe(model.shift());
          } else {
            expect(queue.removeWhere(isEven)).toEqual(model.filter(isEven));
            model = model.filter((item) => !isEven(item));
          }
          expect(queue.count).toBe(model.length);
          expect(queue.peek()).toBe(model[0]);
        }
      }),
    );
  });

  it.each([0, -1, 1.5, Number.NaN])("refuses the capacity %d", (capacity) => {
    expect(() => new BoundedQueue(capacity)).toThrow(`capacity must be >= 1, got ${capacity}`);
  });
});
