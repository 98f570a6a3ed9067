// Owns writing a tenant's account on behalf of the operator: bounded in time, and a clear refusal when the account
// cannot be reached. Every write may be repeated.
import { AppError, type TenantAccountRpc } from "@fairlane/protocol";
import { accountOf, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { ACCOUNT_TIMEOUT_MS, RETRY_AFTER_MS } from "../limits.ts";
import { withTimeout } from "../with-timeout.ts";

/** What `write` answers; throws `account_unavailable` when the account does not. */
export async function writeAccount<T>(
  context: EdgeContext,
  deps: EdgeDependencies,
  job: { readonly tenantId: string; readonly write: (account: TenantAccountRpc) => Promise<T> },
): Promise<T> {
  try {
    return await withTimeout(job.write(accountOf(deps, job.tenantId)), ACCOUNT_TIMEOUT_MS);
  } catch (error) {
    logFailure("account_write_failed", context.get("requestId"), error);
    const message = "The tenant's account cannot be reached at the moment; try again.";
    throw new AppError("account_unavailable", message, { retryAfterMs: RETRY_AFTER_MS });
  }
}
