// Owns the bodies of the operator's steps with invoices.
import { z } from "zod";
import { INVOICE_REASON_CHARS_MAX } from "../limits.ts";

const reason = z.string().trim().min(1).max(INVOICE_REASON_CHARS_MAX);

export const newDraft = z.strictObject({
  period: z
    .string()
    .regex(/^20[0-9]{2}-(0[1-9]|1[0-2])$/, "expected a month, YYYY-MM")
    .describe("A month of UTC, this one or an earlier one"),
});
export const finalizing = z.strictObject({
  despite_waiting: reason
    .optional()
    .describe(
      "Why the month is final although usage of it waits; what comes is on the next invoice",
    ),
});
export const voiding = z.strictObject({ reason: reason.describe("Shown on the invoice") });
