// Owns asking a hub shard which models its nodes serve.
import { AppError, type ModelCard } from "@fairlane/protocol";
import { withTimeout } from "../with-timeout.ts";
import { hubShard, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { LIST_MODELS_TIMEOUT_MS, RETRY_AFTER_MS } from "../limits.ts";

/** The models of one shard; throws `overloaded` when the shard cannot be asked. */
export async function regionModels(
  deps: EdgeDependencies,
  shard: number,
  requestId: string,
): Promise<readonly ModelCard[]> {
  try {
    return await withTimeout(hubShard(deps, shard).listModels(), LIST_MODELS_TIMEOUT_MS);
  } catch (error) {
    logFailure("list_models_failed", requestId, error);
    const message = "The region's hub cannot be asked at the moment; try again.";
    throw new AppError("overloaded", message, { retryAfterMs: RETRY_AFTER_MS });
  }
}
