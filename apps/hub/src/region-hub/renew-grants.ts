// Owns the renewal of grants while requests run: for those that come near to the end of what they may compute the
// account is asked for more, all of a tenant in one call, and their nodes are told; it also hears of later attempts. A
// grant that is refused is asked for again until the node ends the answer; what was told on a link that was lost is told
// again. Invariant: a node is never told more than the account granted.
import {
  protocolLimits,
  type GrantAsk,
  type GrantFrame,
  type TenantAccountRpc,
} from "@fairlane/protocol";
import { GRANT_ASK_TIMEOUT_MS, GRANT_MARGIN_TOKENS, GRANT_RETRY_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";
import { mayGrow, type LiveGrant, type LiveRequest } from "./live-request.ts";
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
      due.grant.isAsking = true;
      byTenant.set(live.tenantId, [...(byTenant.get(live.tenantId) ?? []), due]);
    }
    for (const [tenantId, due] of byTenant) void this.#renew(tenantId, due);
  }

  /** A link stands: what its node was told of answers that go on may have been lost with the link before. */
  resend(link: NodeLink, requests: Iterable<LiveRequest>): void {
    const grants: WireGrant[] = [];
    for (const { id, grant, placement } of requests) {
      if (grant === null || placement.state !== "answering" || placement.link !== link) continue;
      grants.push(wireGrant(id, grant));
    }
    tell(link, grants);
  }

  async #renew(tenantId: string, due: readonly Granted[]): Promise<void> {
    try {
      const asked = this.#account(tenantId).renewGrants(due.map(askOf));
      const renewed = await withTimeout(asked, GRANT_ASK_TIMEOUT_MS);
      const news = new Map<NodeLink, WireGrant[]>();
      for (const { requestId, grantTokens } of renewed) {
        const one = due.find(({ live }) => live.id === requestId);
        if (!one || !takeAnswer(one, grantTokens)) continue;
        const { link } = one.placement;
        news.set(link, [...(news.get(link) ?? []), wireGrant(requestId, one.grant)]);
      }
      for (const [link, grants] of news) tell(link, grants);
    } catch (error) {
      const requests = due.length;
      logEvent("warn", "grants_not_renewed", { tenantId, requests, reason: reasonOf(error) });
    } finally {
      for (const { grant } of due) grant.isAsking = false;
    }
  }
}

function dueOf(live: LiveRequest, nowMs: number): Granted | undefined {
  const { grant, placement } = live;
  if (grant === null || placement.state !== "answering") return undefined;
  if (grant.isAsking || nowMs < grant.nextAskMs) return undefined;
  const longestTokens = Math.max(0, ...placement.choiceTokens);
  const isNearEnd =
    grant.tokens < grant.outputTokensMax && longestTokens + GRANT_MARGIN_TOKENS >= grant.tokens;
  return isNearEnd || live.attempt > grant.toldAttempt ? { live, grant, placement } : undefined;
}

/** Notes what the account said; true when the node has to know. */
function takeAnswer({ grant, live }: Granted, grantTokens: number): boolean {
  grant.toldAttempt = Math.max(grant.toldAttempt, live.attempt);
  const isRefused = grantTokens <= grant.tokens;
  if (isRefused && grant.isRefused) return false;
  grant.isRefused = isRefused;
  grant.tokens = Math.max(grant.tokens, grantTokens);
  return true;
}

type WireGrant = GrantFrame["grants"][number];

function wireGrant(id: string, grant: LiveGrant): WireGrant {
  const told = { id, output_tokens: grant.tokens };
  return mayGrow(grant) ? { ...told, may_grow: true } : told;
}

function tell(link: NodeLink, grants: readonly WireGrant[]): void {
  const size = protocolLimits.SUBMIT_REQUESTS_MAX;
  for (let first = 0; first < grants.length; first += size) {
    link.send({ type: "grant", grants: grants.slice(first, first + size) });
  }
}

function askOf({ live, grant, placement }: Granted): GrantAsk {
  return {
    requestId: live.id,
    attempt: live.attempt,
    projectId: grant.projectId,
    keyId: grant.keyId,
    priceVersion: grant.priceVersion,
    model: grant.model,
    promptTokens: placement.promptTokens,
    answerCount: grant.answerCount,
    grantTokens: grant.tokens,
    outputTokensMax: grant.outputTokensMax,
    leaseUntilMs: grant.leaseUntilMs,
  };
}
