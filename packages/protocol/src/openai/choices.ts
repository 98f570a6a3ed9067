// Owns how many answers a request gets and how many are computed for them: OpenAI's `n` and `best_of`.
import type { ErrorValue } from "../app-error.ts";

/** The fields that say so, their ranges checked. */
export interface ChoiceFields {
  readonly n?: number | null | undefined;
  readonly best_of?: number | null | undefined;
  readonly stream?: boolean | null | undefined;
}

/** The error of a best_of that does not go with the rest, or null. */
export function checkBestOf(request: ChoiceFields): ErrorValue | null {
  const { best_of: bestOf, stream } = request;
  if (bestOf === undefined || bestOf === null) return null;
  const { given } = choiceCounts(request);
  if (bestOf < given) {
    const message = `Invalid 'best_of': expected at least n, which is ${given}, but got ${bestOf} instead.`;
    return { code: "invalid_value", message, param: "best_of" };
  }
  if (bestOf === given || stream !== true) return null;
  const message = "The 'best_of' parameter above 'n' is not allowed when 'stream' is enabled.";
  return { code: "invalid_value", message, param: "best_of" };
}

/** How many answers are given, and how many are computed for them. */
export function choiceCounts({ n, best_of: bestOf }: ChoiceFields): {
  readonly given: number;
  readonly computed: number;
} {
  const given = n ?? 1;
  return { given, computed: Math.max(given, bestOf ?? given) };
}
