import { units } from "@fairlane/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { creditLeft, expireCredits, shareCredit, useCredits, type CreditGrant } from "./credit.ts";

const grant = (grantId: string, grantedNanoUsd: number, expiresAtMs: number | null = null) => ({
  grantId,
  grantedNanoUsd,
  usedNanoUsd: 0,
  expiredNanoUsd: 0,
  grantedAtMs: 1,
  expiresAtMs,
});

describe("useCredits", () => {
  it("takes what expires first, then the older, and says what is not covered", () => {
    const grants = [
      grant("never", 50),
      { ...grant("late", 30, 200), grantedAtMs: 2 },
      grant("early", 10, 100),
      grant("late-older", 5, 200),
    ];
    const { changed, uncoveredNanoUsd } = useCredits(grants, 20);
    expect(changed.map(({ grantId, usedNanoUsd }) => [grantId, usedNanoUsd])).toEqual([
      ["early", 10],
      ["late-older", 5],
      ["late", 5],
    ]);
    expect(uncoveredNanoUsd).toBe(0);
    expect(useCredits(grants, 100).uncoveredNanoUsd).toBe(5);
    expect(useCredits(grants, 0)).toEqual({ changed: [], uncoveredNanoUsd: 0 });
  });
});

describe("shareCredit", () => {
  it("covers entries in their order, and no more than each bills", () => {
    const entries = [5, 0, 7, 9].map((billed) => ({ billedNanoUsd: units.nanoUsd(billed) }));
    const shared = (covered: number) =>
      shareCredit(entries, covered).map(({ creditNanoUsd }) => creditNanoUsd);
    expect(shared(8)).toEqual([5, 0, 3, 0]);
    expect(shared(21)).toEqual([5, 0, 7, 9]);
    expect(() => shared(22)).toThrow("credit of 1 nano-USD for no entry");
  });
});

describe("expireCredits", () => {
  it("ends what is left when its time is over, and not before", () => {
    const used = { ...grant("a", 10, 100), usedNanoUsd: 4 };
    expect(expireCredits([used], 99, 0)).toEqual([]);
    expect(expireCredits([used], 100, 0)).toEqual([{ ...used, expiredNanoUsd: 6 }]);
  });

  it("leaves what running requests hold", () => {
    const grants = [grant("a", 10, 100), grant("b", 5)];
    // 12 are held: 5 by what never expires, 7 by what would.
    expect(expireCredits(grants, 100, 12)).toEqual([{ ...grants[0], expiredNanoUsd: 3 }]);
    expect(expireCredits(grants, 100, 40)).toEqual([]);
  });

  it("keeps every grant's sums whatever happens, and never what is held", () => {
    const one = fc.record({
      grantedNanoUsd: fc.nat(100),
      expiresAtMs: fc.option(fc.nat(20)),
    });
    const step = fc.record({ amount: fc.nat(60), held: fc.nat(60), elapsedMs: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 5 }), fc.array(step), (made, steps) => {
        let grants: readonly CreditGrant[] = made.map((wanted, index) => {
          return {
            ...grant(String(index), wanted.grantedNanoUsd),
            expiresAtMs: wanted.expiresAtMs,
          };
        });
        const left = () => grants.reduce((sum, each) => sum + creditLeft(each), 0);
        const apply = (changed: readonly CreditGrant[]) => {
          grants = grants.map((old) => changed.find((new_) => new_.grantId === old.grantId) ?? old);
        };
        let nowMs = 0;
        for (const { amount, held, elapsedMs } of steps) {
          nowMs += elapsedMs;
          const before = left();
          apply(expireCredits(grants, nowMs, held));
          expect(left()).toBeGreaterThanOrEqual(Math.min(before, held));
          const between = left();
          const { changed, uncoveredNanoUsd } = useCredits(grants, amount);
          apply(changed);
          expect(between - left()).toBe(amount - uncoveredNanoUsd);
          for (const each of grants) expect(creditLeft(each)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});
