import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PagePool } from "./page-pool.ts";
import { checkPoolIntegrity } from "./pool-integrity.ts";

const PAGE_COUNT = 6;

/** The naive model: references by page, and the fence each released page waits for. */
interface Model {
  readonly references: Map<number, number>;
  readonly waits: Map<number, number>;
  submitted: number;
  completed: number;
}

interface Command extends fc.Command<Model, PagePool> {
  check(model: Readonly<Model>): boolean;
}

const pick = (model: Readonly<Model>, at: number): number =>
  [...model.references.keys()][at % model.references.size] ?? -1;

function freeCount(model: Readonly<Model>): number {
  return PAGE_COUNT - model.references.size - model.waits.size;
}

const allocate = (): Command => ({
  check: (model) => freeCount(model) > 0,
  run(model, pool) {
    const page = pool.allocate("kv");
    expect(model.references.has(page) || model.waits.has(page)).toBe(false);
    model.references.set(page, 1);
  },
  toString: () => "allocate",
});

const retain = (at: number): Command => ({
  check: (model) => model.references.size > 0,
  run(model, pool) {
    const page = pick(model, at);
    pool.retain(page);
    model.references.set(page, (model.references.get(page) ?? 0) + 1);
  },
  toString: () => `retain(${at})`,
});

const release = (at: number): Command => ({
  check: (model) => model.references.size > 0,
  run(model, pool) {
    const page = pick(model, at);
    pool.release(page);
    const left = (model.references.get(page) ?? 0) - 1;
    if (left > 0) model.references.set(page, left);
    else model.references.delete(page);
    if (left === 0 && model.submitted > model.completed) model.waits.set(page, model.submitted);
  },
  toString: () => `release(${at})`,
});

const submit = (): Command => ({
  check: (model) => model.submitted - model.completed < 2,
  run(model, pool) {
    model.submitted += 1;
    pool.stepSubmitted(model.submitted);
  },
  toString: () => "submit",
});

const complete = (): Command => ({
  check: (model) => model.submitted > model.completed,
  run(model, pool) {
    model.completed += 1;
    pool.stepCompleted(model.completed);
    for (const [page, fence] of model.waits) if (fence <= model.completed) model.waits.delete(page);
  },
  toString: () => "complete",
});

/** Tables in the shape that the integrity check reads: one holder per reference. */
function holdersOf(model: Readonly<Model>): { entries: { page: number }[] }[] {
  return [...model.references].flatMap(([page, count]) =>
    Array.from({ length: count }, () => ({ entries: [{ page }] })),
  );
}

describe("PagePool, any sequence of calls", () => {
  it("conserves pages, never hands out a page in use or in quarantine", () => {
    const at = fc.nat(20);
    const commands = fc.commands(
      [
        fc.constant(allocate()),
        at.map(retain),
        at.map(release),
        fc.constant(submit()),
        fc.constant(complete()),
      ],
      { maxCommands: 60 },
    );
    fc.assert(
      fc.property(commands, (sequence) => {
        const pool = new PagePool(PAGE_COUNT);
        const model: Model = {
          references: new Map(),
          waits: new Map(),
          submitted: 0,
          completed: 0,
        };
        fc.modelRun(() => ({ model, real: pool }), sequence);
        expect(pool.freeCount).toBe(freeCount(model));
        expect(pool.quarantinedCount).toBe(model.waits.size);
        checkPoolIntegrity(pool, holdersOf(model));
      }),
      { numRuns: 300 },
    );
  });
});
