// Owns how long a file is kept: OpenAI's `expires_after`, in JSON bodies and in forms, counted from its creation.
import { AppError, errorOfIssues, protocolLimits } from "@fairlane/protocol";
import { z } from "zod";
import { FILE_LIFE_SECONDS_MAX, FILE_LIFE_SECONDS_MIN } from "../limits.ts";

/** Of a JSON body. */
export const expiresAfter = z.strictObject({
  anchor: z.literal("created_at"),
  seconds: z.int().min(FILE_LIFE_SECONDS_MIN).max(FILE_LIFE_SECONDS_MAX),
});

const ANCHOR = "expires_after[anchor]";
const SECONDS = "expires_after[seconds]";

/** The fields of a form. */
export const EXPIRY_FIELDS: readonly string[] = [ANCHOR, SECONDS];

/** The life that a body asks for, FILE_KEPT_MS when it asks for none. */
export function lifeMsOf(wanted: z.infer<typeof expiresAfter> | null | undefined): number {
  return wanted ? wanted.seconds * 1_000 : protocolLimits.FILE_KEPT_MS;
}

/** The same of a form; throws AppError. */
export function formLifeMs(texts: ReadonlyMap<string, string>): number {
  const [anchor, seconds] = [texts.get(ANCHOR), texts.get(SECONDS)];
  if (anchor === undefined && seconds === undefined) return lifeMsOf(null);
  const wanted = { anchor, seconds: /^\d{1,9}$/.test(seconds ?? "") ? Number(seconds) : seconds };
  const parsed = z
    .object({ expires_after: expiresAfter })
    .safeParse({ expires_after: wanted }, { reportInput: true });
  if (!parsed.success) throw AppError.of(errorOfIssues(parsed.error.issues));
  return lifeMsOf(parsed.data.expires_after);
}
