import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeInvoice, type UsageSum } from "./invoice.ts";

/** 2026-10-01 and the month before. */
const OCTOBER_MS = 1_790_812_800_000;
const SEPTEMBER_MS = 1_788_220_800_000;

const SUM: UsageSum = {
  monthMs: OCTOBER_MS,
  projectId: "prj_a",
  model: "base",
  priceClass: "standard",
  priceVersion: "plan_a",
  requests: 2,
  entries: 3,
  faultyEntries: 1,
  promptTokens: 70,
  cachedTokens: 30,
  outputTokens: 10,
  billedNanoUsd: 25_000_001,
  creditNanoUsd: 0,
};
const invoiceOf = (sums: readonly UsageSum[], adjustments: readonly number[] = []) =>
  makeInvoice({
    monthMs: OCTOBER_MS,
    sums,
    adjustments: adjustments.map((amountNanoUsd, index) => {
      return { id: `adj-${index}`, amountNanoUsd, reason: "goodwill" };
    }),
    priceOf: () => null,
  });

describe("makeInvoice", () => {
  it("bills the entries' exact sums, tells late ones apart and rounds the total once", () => {
    const late = { ...SUM, monthMs: SEPTEMBER_MS, billedNanoUsd: 4_999_998, creditNanoUsd: 1_000 };
    const made = invoiceOf([SUM, late], [-5_000_000]);
    expect(made).toMatchObject({
      ok: true,
      value: {
        entries: 6,
        faultyEntries: 2,
        usageNanoUsd: 29_999_999,
        creditNanoUsd: 1_000,
        adjustmentsNanoUsd: -5_000_000,
        // 0.024998999 USD.
        roundingNanoUsd: -4_998_999,
        totalCents: 2,
        lines: [
          { kind: "usage", amountNanoUsd: 25_000_001, projectId: "prj_a", price: null },
          { kind: "late", amountNanoUsd: 4_999_998, monthMs: SEPTEMBER_MS },
          { kind: "adjustment", adjustmentId: "adj-0", amountNanoUsd: -5_000_000 },
          { kind: "credit", amountNanoUsd: -1_000 },
          { kind: "rounding", amountNanoUsd: -4_998_999 },
        ],
      },
    });
  });

  it("rounds halves up, below zero too, and shows no rounding of whole cents", () => {
    const cents = (amount: number) => {
      const made = invoiceOf([], [amount]);
      return made.ok ? [made.value.totalCents, made.value.roundingNanoUsd] : [];
    };
    expect(cents(4_999_999)).toEqual([0, -4_999_999]);
    expect(cents(5_000_000)).toEqual([1, 5_000_000]);
    expect(cents(-5_000_000)).toEqual([0, 5_000_000]);
    expect(cents(-5_000_001)).toEqual([-1, -4_999_999]);
    expect(cents(-15_000_000)).toEqual([-1, 5_000_000]);
    expect(cents(20_000_000)).toEqual([2, 0]);
    expect(invoiceOf([], [20_000_000])).toMatchObject({ value: { lines: [{}] } });
    expect(invoiceOf([])).toMatchObject({ value: { totalCents: 0, lines: [] } });
  });

  it("has no amount that JSON would round", () => {
    const half = 5_000_000_000_000_000;
    expect(invoiceOf([], [half])).toMatchObject({ ok: true });
    expect(invoiceOf([], [half, half])).toEqual({ ok: false, error: "amount_overflow" });
  });

  it("sums up its lines to whole cents within half a cent of the exact amount", () => {
    const sums = fc.array(
      fc.record({ billed: fc.nat(1_000_000_000), covered: fc.nat(100) }).map((one) => ({
        ...SUM,
        billedNanoUsd: one.billed,
        creditNanoUsd: Math.floor((one.billed * one.covered) / 100),
      })),
      { maxLength: 8 },
    );
    const amounts = fc.array(fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(sums, amounts, (all, adjustments) => {
        const made = invoiceOf(all, adjustments);
        if (!made.ok) throw new Error(made.error);
        const { lines, totalCents, roundingNanoUsd } = made.value;
        const sum = lines.reduce((total, { amountNanoUsd }) => total + amountNanoUsd, 0);
        expect(sum).toBe(totalCents * 10_000_000);
        expect(Math.abs(roundingNanoUsd)).toBeLessThanOrEqual(5_000_000);
      }),
    );
  });
});
