// Owns asking the region's hub where adapters are. A hint: null when the hub does not answer.
import type { AdapterResidency } from "@fairlane/protocol";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { RESIDENCY_TIMEOUT_MS } from "../limits.ts";
import { withTimeout } from "../with-timeout.ts";

/** Where these adapters are; every node links to every shard, so shard 0 speaks for the region. */
export async function residencyOf(
  context: EdgeContext,
  deps: EdgeDependencies,
  digests: readonly string[],
): Promise<readonly AdapterResidency[] | null> {
  if (digests.length === 0) return [];
  try {
    const asked = hubShard(deps, 0).adapterResidency(digests);
    return await withTimeout(asked, RESIDENCY_TIMEOUT_MS);
  } catch (error) {
    logFailure("residency_failed", context.get("requestId"), error);
    return null;
  }
}
