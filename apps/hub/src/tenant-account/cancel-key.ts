// Owns the reach of a revocation into the hub: what runs or waits for the key is ended on every shard of every region. The key is
// revoked before and whatever happens here; a shard that cannot be asked lets its running work finish, which is
// logged.
import { hubConfig, shardName, type HubEnv } from "../env.ts";
import { CANCEL_KEY_TIMEOUT_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";

/** Ends the key's work on all shards of all regions. Never rejects. */
export async function cancelKey(
  env: HubEnv,
  key: { readonly tenantId: string; readonly keyId: string },
): Promise<void> {
  const config = hubConfig(env);
  const shards = config.regions.flatMap((region) =>
    Array.from({ length: config.shardCount }, (_, shard) => shardName(region, shard)),
  );
  await Promise.all(
    shards.map(async (shard) => {
      try {
        const cancelled = env.REGION_HUB.getByName(shard).cancelKey(key);
        const requestCount = await withTimeout(cancelled, CANCEL_KEY_TIMEOUT_MS);
        if (requestCount > 0)
          logEvent("info", "key_work_cancelled", { ...key, shard, requestCount });
      } catch (error) {
        logEvent("error", "key_work_not_cancelled", { ...key, shard, reason: reasonOf(error) });
      }
    }),
  );
}
