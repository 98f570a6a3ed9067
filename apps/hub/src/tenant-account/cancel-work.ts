// Owns the reach of a revocation or a suspension into the hub: what runs or waits for the key, or for the tenant, is
// ended on every shard of every region. It is in force before and whatever happens here; a shard that cannot be asked
// lets its running work finish, which is logged.
import { hubConfig, shardName, type HubEnv } from "../env.ts";
import { CANCEL_WORK_TIMEOUT_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { objectsOf } from "../objects.ts";
import type { WorkOwner } from "../region-hub/revoked-work.ts";
import { withTimeout } from "../retry.ts";

/** Ends the owner's work on all shards of all regions. Never rejects. */
export async function cancelWork(env: HubEnv, owner: WorkOwner): Promise<void> {
  const config = hubConfig(env);
  const shards = config.regions.flatMap((region) =>
    Array.from({ length: config.shardCount }, (_, shard) => [region, shard] as const),
  );
  await Promise.all(
    shards.map(async (place) => {
      const shard = shardName(...place);
      try {
        const cancelled = objectsOf(env)
          .shard(...place)
          .cancelWork(owner);
        const requestCount = await withTimeout(cancelled, CANCEL_WORK_TIMEOUT_MS);
        if (requestCount > 0) logEvent("info", "work_cancelled", { ...owner, shard, requestCount });
      } catch (error) {
        logEvent("error", "work_not_cancelled", { ...owner, shard, reason: reasonOf(error) });
      }
    }),
  );
}
