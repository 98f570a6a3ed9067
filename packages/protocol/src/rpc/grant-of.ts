// Owns what an admitted hold allows: the grant that goes with the request to its hub.
import type { HoldInput } from "./account.ts";
import type { HubGrant } from "./hub.ts";

/** The grant of a hold; null when nothing bounds what the request may compute. @param tokens of the admission */
export function grantOf(hold: HoldInput | null, tokens: number | null): HubGrant | null {
  if (hold === null || tokens === null || tokens === 0) return null;
  const { outputTokensMax, answerCount, model, leaseUntilMs } = hold;
  return { tokens, outputTokensMax, answerCount, model, leaseUntilMs };
}
