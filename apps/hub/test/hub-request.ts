// What the edge would send to the hub, for tests.
import { HUB_STREAM_URL, type HubCompletionRequest, type HubRequest } from "@fairlane/protocol";
import { env } from "cloudflare:workers";

let lastNumber = 0;

/** An id that no other test of the file uses. */
export function uniqueId(prefix: string): string {
  lastNumber += 1;
  return `${prefix}_${lastNumber}`;
}

/** A fresh shard: its own RegionHub that no other test links to. */
export function freshHub() {
  return env.REGION_HUB.getByName(uniqueId("shard"));
}

/** A request with a minute of time, for any model. */
export function hubRequest(change: Partial<HubRequest> = {}): HubRequest {
  return {
    requestId: uniqueId("req"),
    tenantId: "ten_a",
    projectId: "prj_a",
    keyId: "key_a",
    tenantSalt: "ab".repeat(32),
    weight: 1,
    tier: "interactive",
    priceVersion: "plan_a",
    createdMs: 1_793_491_200_999,
    deadlineMs: Date.now() + 60_000,
    body: { messages: [{ role: "user", content: "Hi" }], stream: true },
    ...change,
  };
}

/** Asks a shard for a stream, as the edge does. */
export function openStream(
  hub: ReturnType<typeof freshHub>,
  request: HubRequest | HubCompletionRequest,
  signal?: AbortSignal,
): Promise<Response> {
  const body = JSON.stringify(request);
  return hub.fetch(HUB_STREAM_URL, { method: "POST", body, ...(signal ? { signal } : {}) });
}
