// Owns the renewal of grants while requests run: for those that come near to the end of what they may compute the
// account is asked for more, all of a tenant in one call, and their nodes are told. It also hears of later attempts. A grant that is refused is asked for
// again until the node ends the answer. Invariant: a node is never told more than the account granted.
import type { GrantAsk, GrantFrame, TenantAccountRpc } from "@fairlane/protocol";
import { GRANT_MARGIN_TOKENS, GRANT_RETRY_MS, SETTLE_TIMEOUT_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";
import type { LiveGrant, LiveRequest } from "./live-request.ts";
import type { NodeLink } from "./node-link.ts";
import type { Placement } from "./placement.ts";

/** A request that a node answers on a grant. */
interface Granted {
  readonly live: LiveRequest;
  readonly grant: LiveGrant;
  readonly placement: Extract<Placement, { readonly state: "answering" }>;
}

export class GrantRenewals {
  readonly #account: (tenantId: string) => Pick<TenantAccountRpc, "renewGrants">;

  /** @param account gives a fresh stub: one that failed once fails for good */
  constructor(account: (tenantId: string) => Pick<TenantAccountRpc, "renewGrants">) {
    this.#account = account;
  }

  /** Asks for those that are due: called with what got tokens, and with every tick for what was refused. */
  renew(requests: Iterable<LiveRequest>, nowMs: number): void {
    const byTenant = new Map<string, Granted[]>();
    for (const live of requests) {
      const due = dueOf(live, nowMs);
      if (!due) continue;
      due.grant.nextAskMs = nowMs + GRANT_RETRY_MS;
      byTenant.set(live.tenantId, [...(byTenant.get(live.tenantId) ?? []), due]);
    }
    for (const [tenantId, due] of byTenant) void this.#renew(tenantId, due);
  }

  async #renew(tenantId: string, due: readonly Granted[]): Promise<void> {
    try {
      const asked = this.#account(tenantId).renewGrants(due.map(askOf));
      const renewed = await withTimeout(asked, SETTLE_TIMEOUT_MS);
      const told = new Map<NodeLink, GrantFrame["grants"]>();
      for (const { requestId, grantTokens } of renewed) {
        const one = due.find(({ live }) => live.id === requestId);
        if (one) one.grant.toldAttempt = Math.max(one.grant.toldAttempt, one.live.attempt);
        if (!one || grantTokens <= one.grant.tokens) continue;
        one.grant.tokens = grantTokens;
        const { link } = one.placement;
        const grants = told.get(link) ?? [];
        told.set(link, [...grants, { id: requestId, output_tokens: grantTokens }]);
      }
      for (const [link, grants] of told) link.send({ type: "grant", grants });
    } catch (error) {
      const requests = due.length;
      logEvent("warn", "grants_not_renewed", { tenantId, requests, reason: reasonOf(error) });
    }
  }
}

function dueOf(live: LiveRequest, nowMs: number): Granted | undefined {
  const { grant, placement } = live;
  if (grant === null || placement.state !== "answering" || nowMs < grant.nextAskMs)
    return undefined;
  const longestTokens = Math.max(0, ...placement.choiceTokens);
  const isNearEnd =
    grant.tokens < grant.outputTokensMax && longestTokens + GRANT_MARGIN_TOKENS >= grant.tokens;
  return isNearEnd || live.attempt > grant.toldAttempt ? { live, grant, placement } : undefined;
}

function askOf({ live, grant, placement }: Granted): GrantAsk {
  return {
    requestId: live.id,
    attempt: live.attempt,
    projectId: grant.projectId,
    keyId: live.keyId,
    priceVersion: grant.priceVersion,
    model: grant.model,
    promptTokens: placement.promptTokens,
    answerCount: grant.answerCount,
    grantTokens: grant.tokens,
    outputTokensMax: grant.outputTokensMax,
    leaseUntilMs: grant.leaseUntilMs,
  };
}
