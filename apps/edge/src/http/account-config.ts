// Owns the two forms of a registered tenant: as its account keeps it, and as the operator sees it.
import type { Tenant } from "@fairlane/db";
import type { AccountConfig, AccountPrices } from "@fairlane/protocol";

/** The tenant as its account keeps it. */
export function accountConfig(tenant: Tenant, prices: AccountPrices): AccountConfig {
  return {
    tenantId: tenant.id,
    active: tenant.status === "active",
    weight: tenant.weight,
    requestsPerMinute: tenant.requestsPerMinute,
    tokensPerMinute: tenant.tokensPerMinute,
    inputTokensPerMinute: tenant.inputTokensPerMinute,
    outputTokensPerMinute: tenant.outputTokensPerMinute,
    parallelRequests: tenant.parallelRequests,
    scopeLimits: tenant.scopeLimits,
    prepaid: tenant.prepaid,
    budgets: tenant.budgets,
    webhookUrl: tenant.webhookUrl,
    prices,
  };
}

/** The tenant as the operator sees it. */
export function tenantBody(tenant: Tenant) {
  return {
    object: "fairlane.tenant",
    id: tenant.id,
    name: tenant.name,
    status: tenant.status,
    weight: tenant.weight,
    requests_per_minute: tenant.requestsPerMinute,
    tokens_per_minute: tenant.tokensPerMinute,
    input_tokens_per_minute: tenant.inputTokensPerMinute,
    output_tokens_per_minute: tenant.outputTokensPerMinute,
    parallel_requests: tenant.parallelRequests,
    limits: tenant.scopeLimits.map((scope) => ({
      scope_id: scope.scopeId,
      requests_per_minute: scope.requestsPerMinute,
      tokens_per_minute: scope.tokensPerMinute,
      input_tokens_per_minute: scope.inputTokensPerMinute,
      output_tokens_per_minute: scope.outputTokensPerMinute,
      parallel_requests: scope.parallelRequests,
    })),
    prepaid: tenant.prepaid,
    budgets: tenant.budgets.map((budget) => ({
      scope_id: budget.scopeId,
      window: budget.window,
      mode: budget.mode,
      limit_nano_usd: budget.limitNanoUsd,
      alert_percents: budget.alertPercents,
    })),
    webhook_url: tenant.webhookUrl,
    price_version: tenant.priceVersionId,
    created_at_ms: tenant.createdAtMs,
  };
}
