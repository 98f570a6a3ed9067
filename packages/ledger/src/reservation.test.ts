import { describe, expect, it } from "vitest";
import { ReservationBook } from "./reservation.ts";

const hold = (requestId: string, tokensEstimate: number, leaseUntilMs = 1_000) => ({
  requestId,
  tokensEstimate,
  leaseUntilMs,
});

describe("ReservationBook", () => {
  it("ends a reservation once, by settling or voiding", () => {
    const book = new ReservationBook(4);
    book.reserve(hold("a", 10));
    book.reserve(hold("b", 20));
    expect(book.settle("a")).toEqual(hold("a", 10));
    expect(book.settle("a")).toBeUndefined();
    expect(book.void("a")).toBeUndefined();
    expect(book.void("b")).toEqual(hold("b", 20));
    expect(book.count).toBe(0);
    expect(book.totals).toEqual({
      reservedTokens: 30,
      heldTokens: 0,
      settledTokens: 10,
      voidedTokens: 20,
      expiredTokens: 0,
    });
  });

  it("refuses the same request twice and more than its capacity", () => {
    const book = new ReservationBook(1);
    expect(book.reserve(hold("a", 10)).ok).toBe(true);
    expect(book.reserve(hold("a", 10))).toEqual({ ok: false, error: "already_held" });
    expect(book.reserve(hold("b", 10))).toEqual({ ok: false, error: "book_full" });
    expect(book.totals.heldTokens).toBe(10);
  });

  it("expires what is past its lease and keeps the rest", () => {
    const book = new ReservationBook(4);
    book.reserve(hold("a", 1, 100));
    book.reserve(hold("b", 2, 200));
    book.reserve(hold("c", 4, 300));
    expect(book.expire(99)).toEqual([]);
    expect(book.expire(200).map((held) => held.requestId)).toEqual(["a", "b"]);
    expect(book.totals.expiredTokens).toBe(3);
    expect(book.has("c")).toBe(true);
    expect(book.expire(299)).toEqual([]);
    expect(book.expire(300).map((held) => held.requestId)).toEqual(["c"]);
  });

  it("keeps no broken estimate", () => {
    const book = new ReservationBook(1);
    expect(() => book.reserve(hold("a", -1))).toThrow("estimate of a is -1");
    expect(book.count).toBe(0);
  });
});
