// Owns the renewal of token grants: a request under a hard budget holds money for a first grant of output tokens, and
// for more as it gets on. A refused renewal changes nothing; the node ends the answer at its grant.
import type { AccountConfig, AccountPrices, GrantAsk, TokenGrant } from "@fairlane/protocol";
import type { ConfigStore } from "./account-config.ts";
import { GRANT_OUTPUT_TOKENS } from "../limits.ts";
import type { AccountHold, AccountLimits } from "./account-limits.ts";
import { neededNanoUsd, type Funds } from "./funds.ts";

interface GrantBooks {
  readonly config: AccountConfig;
  readonly limits: AccountLimits;
  readonly funds: Funds;
  readonly pricesOf: (version: string) => AccountPrices | undefined;
}

/** Renews what it can; nothing for an account that was never configured. */
export function renewGrants(
  account: {
    readonly configs: ConfigStore;
    readonly limits: AccountLimits | undefined;
    readonly funds: Funds;
  },
  asks: readonly GrantAsk[],
  nowMs: number,
): readonly TokenGrant[] {
  const { configs, limits, funds } = account;
  const { config } = configs;
  if (!config || !limits) return [];
  const pricesOf = (version: string) => configs.prices(version);
  return asks.map((ask) => renewGrant({ config, limits, funds, pricesOf }, ask, nowMs));
}

/** What the request may compute of each answer from now on; what it was granted before when there is no more. */
function renewGrant(books: GrantBooks, ask: GrantAsk, nowMs: number): TokenGrant {
  const { limits, funds, config } = books;
  const { requestId, attempt } = ask;
  const prices = books.pricesOf(ask.priceVersion);
  const priced = (grantTokens: number): number =>
    prices === undefined
      ? 0
      : neededNanoUsd(prices, {
          model: ask.model,
          promptTokens: ask.promptTokens,
          outputTokens: grantTokens * ask.answerCount,
        });
  // After a restart of the account nobody else knows the request.
  const hold =
    limits.holds.get(requestId) ?? limits.adopt(heldBefore(ask, priced(ask.grantTokens)), nowMs);
  const scopeIds = [config.tenantId, hold.caller.projectId, hold.caller.keyId];
  if (!funds.isHard(scopeIds)) return { requestId, grantTokens: ask.outputTokensMax };
  // One whose answer was lost is not taken back: the node of a hub that forgot it all may have heard it.
  const grantTokens = Math.max(
    hold.grantTokens ?? 0,
    Math.min(ask.outputTokensMax, ask.grantTokens + GRANT_OUTPUT_TOKENS),
  );
  // The prompt's tokens are known by now: what was held for their bound is given back with the first renewal.
  const nanoUsd = priced(grantTokens);
  const more = nanoUsd - hold.nanoUsd;
  const heldOf = (scopeId: string): number => limits.heldNanoUsd(scopeId, nowMs);
  if (more > 0 && funds.refusal({ scopeIds, nanoUsd: more, heldOf }, nowMs) !== null) {
    limits.rehold({ ...hold, attempt }, nowMs);
    return { requestId, grantTokens: ask.grantTokens };
  }
  limits.rehold({ ...hold, attempt, nanoUsd, grantTokens }, nowMs);
  return { requestId, grantTokens };
}

/** What an earlier account of the tenant held for the request. */
function heldBefore(ask: GrantAsk, nanoUsd: number): AccountHold {
  const { requestId, attempt, projectId, keyId, leaseUntilMs, grantTokens } = ask;
  const caller = { projectId, keyId };
  return {
    requestId,
    tokensEstimate: 0,
    leaseUntilMs,
    caller,
    units: null,
    nanoUsd,
    attempt,
    grantTokens,
  };
}
