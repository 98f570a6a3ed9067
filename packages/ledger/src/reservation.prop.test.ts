import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReservationBook } from "./reservation.ts";

const requestId = fc.constantFrom("a", "b", "c", "d", "e");
const command = fc.oneof(
  fc.record({
    kind: fc.constant("reserve" as const),
    requestId,
    tokensEstimate: fc.nat(1_000),
    leaseUntilMs: fc.nat(100),
  }),
  fc.record({ kind: fc.constantFrom("settle" as const, "void" as const), requestId }),
  fc.record({ kind: fc.constant("expire" as const), nowMs: fc.nat(100) }),
);

describe("ReservationBook, any order of commands", () => {
  it("agrees with a plain map, and reserved = held + settled + voided + expired", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const book = new ReservationBook(3);
        const model = new Map<string, { tokens: number; leaseUntilMs: number }>();
        for (const one of commands) {
          if (one.kind === "reserve") {
            const fits = model.size < 3 && !model.has(one.requestId);
            expect(book.reserve(one).ok).toBe(fits);
            if (fits) {
              const { tokensEstimate: tokens, leaseUntilMs } = one;
              model.set(one.requestId, { tokens, leaseUntilMs });
            }
          } else if (one.kind === "expire") {
            const due = [...model].filter(([, held]) => held.leaseUntilMs <= one.nowMs);
            expect(book.expire(one.nowMs).map((held) => held.requestId)).toEqual(
              due.map(([id]) => id),
            );
            for (const [id] of due) model.delete(id);
          } else {
            const ended =
              one.kind === "settle" ? book.settle(one.requestId) : book.void(one.requestId);
            expect(ended?.tokensEstimate).toBe(model.get(one.requestId)?.tokens);
            model.delete(one.requestId);
          }
          const totals = book.totals;
          let heldTokens = 0;
          for (const { tokens } of model.values()) heldTokens += tokens;
          expect(totals.heldTokens).toBe(heldTokens);
          expect(totals.reservedTokens).toBe(
            totals.heldTokens + totals.settledTokens + totals.voidedTokens + totals.expiredTokens,
          );
          expect(book.count).toBe(model.size);
        }
      }),
    );
  });
});
