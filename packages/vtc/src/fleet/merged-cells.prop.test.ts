// P17: copies of cells that come twice, late, out of order or not at all change nothing, as long as the last copy of
// each cell comes; and two merged states join like their histories.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinCells, NO_SERVICE, sumCells, type ServiceCell } from "./cell.ts";
import { MergedCells, type CellSource } from "./merged-cells.ts";

const LIMITS = { tenantsMax: 100, nodeEpochsMax: 100 };
const count = fc.nat(1_000);
const cell: fc.Arbitrary<ServiceCell> = fc.record({
  inputTokens: count,
  cachedTokens: count,
  outputTokens: count,
  serviceUnits: count,
  queueMs: count,
  requests: count,
});

// How one (tenant, node, epoch) grew: the running sums of these are the copies that the node sent.
const history = fc.record({
  source: fc.record({
    tenantId: fc.constantFrom("a", "b", "c"),
    nodeId: fc.constantFrom("n1", "n2"),
    epoch: fc.integer({ min: 1, max: 3 }),
  }),
  growth: fc.array(cell, { minLength: 1, maxLength: 5 }),
});
const histories = fc.uniqueArray(history, {
  maxLength: 8,
  selector: ({ source }) => JSON.stringify(source),
});

interface Copy {
  readonly source: CellSource;
  readonly cell: ServiceCell;
}

function copiesOf({ source, growth }: { source: CellSource; growth: readonly ServiceCell[] }) {
  let sum = NO_SERVICE;
  return growth.map((one): Copy => ({ source, cell: (sum = sumCells(sum, one)) }));
}

function merged(copies: readonly Copy[]): MergedCells {
  const cells = new MergedCells(LIMITS);
  for (const one of copies) cells.merge(one.source, one.cell);
  return cells;
}

const TENANTS = ["a", "b", "c"];
const SOURCES = TENANTS.flatMap((tenantId) =>
  ["n1", "n2"].map((nodeId) => ({ tenantId, nodeId, epoch: 2 })),
);
const stateOf = (cells: MergedCells) => [
  ...TENANTS.map((tenantId) => cells.total(tenantId)),
  ...SOURCES.map((source) => cells.foreignUnits(source)),
];

describe("cells of service", () => {
  it("join idempotently, commutatively and associatively", () => {
    fc.assert(
      fc.property(cell, cell, cell, (one, two, three) => {
        expect(joinCells(one, one)).toEqual(one);
        expect(joinCells(one, two)).toEqual(joinCells(two, one));
        expect(joinCells(joinCells(one, two), three)).toEqual(
          joinCells(one, joinCells(two, three)),
        );
      }),
    );
  });

  it("give the sum of the last copies, whatever was repeated, reordered or lost before", () => {
    const lossy = histories.chain((all) => {
      const copies = all.flatMap(copiesOf);
      const lasts = all.map((one) => copiesOf(one).at(-1)).filter((one) => one !== undefined);
      // Any of the copies, any number of times, and each last one somewhere among them.
      return fc.record({
        lasts: fc.constant(lasts),
        delivered: fc
          .array(copies.length === 0 ? fc.constant(undefined) : fc.constantFrom(...copies))
          .map((some) => some.filter((one) => one !== undefined))
          .chain((some) => {
            const all = [...some, ...lasts];
            return fc.shuffledSubarray(all, { minLength: all.length });
          }),
      });
    });
    fc.assert(
      fc.property(lossy, ({ lasts, delivered }) => {
        const cells = merged(delivered);
        for (const tenantId of TENANTS) {
          const own = lasts.filter(({ source }) => source.tenantId === tenantId);
          expect(cells.total(tenantId)).toEqual(
            own.reduce((sum, one) => sumCells(sum, one.cell), NO_SERVICE),
          );
        }
        expect(stateOf(cells)).toEqual(stateOf(merged(lasts)));
      }),
    );
  });

  it("never fall, and grow by what merging says", () => {
    fc.assert(
      fc.property(fc.array(history), (all) => {
        const cells = new MergedCells(LIMITS);
        for (const one of all.flatMap(copiesOf)) {
          const { tenantId } = one.source;
          const before = cells.total(tenantId);
          const growth = cells.merge(one.source, one.cell);
          const after = cells.total(tenantId);
          expect(after).toEqual(growth === null ? before : sumCells(before, growth));
          expect(joinCells(before, after)).toEqual(after);
        }
      }),
    );
  });
});
