// Owns opening what is retained of a tenant. Failures of R2 are operating errors.
import { RetainedStore } from "@fairlane/db";
import { AppError } from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { RETAINED_TIMEOUT_MS, RETRY_AFTER_MS } from "../limits.ts";
import { withTimeout } from "../with-timeout.ts";

/** The tenant's store. Without a key it only tells sizes and deletes. */
export function retainedOf(
  deps: EdgeDependencies,
  owner: { readonly tenantId: string; readonly retainedKey?: string },
): RetainedStore {
  const { tenantId, retainedKey: key = "" } = owner;
  return new RetainedStore({ bucket: deps.config.retained, tenantId, key, random: deps.random });
}

/** What the store answers; throws `storage_unavailable` when it does not. */
export async function fromStore<T>(context: EdgeContext, asking: Promise<T>): Promise<T> {
  try {
    return await withTimeout(asking, RETAINED_TIMEOUT_MS);
  } catch (error) {
    logFailure("retained_failed", context.get("requestId"), error);
    const message =
      "What is stored of the tenant cannot be read or written at the moment; try again.";
    throw new AppError("storage_unavailable", message, { retryAfterMs: RETRY_AFTER_MS });
  }
}
