// Owns the one HTTP call of a webhook: the event's body, signed as Standard Webhooks has it, so that common libraries
// verify it. The secret is derived from a server secret and stored nowhere.
import { macFields } from "@fairlane/base";
import { WEBHOOK_TIMEOUT_MS } from "../limits.ts";

const SECRET_DOMAIN = "fairlane-webhook-v1";
const encoder = new TextEncoder();

/** The tenant's secret as its owner is told it: `whsec_` and base64 of 32 bytes. */
export async function webhookSecret(saltSecret: string, tenantId: string): Promise<string> {
  return `whsec_${base64(await macFields(saltSecret, SECRET_DOMAIN, [tenantId]))}`;
}

/** POSTs an event; rejects unless the endpoint answers 2xx in time. Redirects are not followed. */
export async function sendWebhook(
  target: { readonly url: string; readonly saltSecret: string; readonly tenantId: string },
  event: { readonly id: string; readonly body: string; readonly atMs: number },
): Promise<void> {
  const secret = await macFields(target.saltSecret, SECRET_DOMAIN, [target.tenantId]);
  const response = await fetch(target.url, {
    method: "POST",
    redirect: "manual",
    signal: AbortSignal.timeout(WEBHOOK_TIMEOUT_MS),
    headers: {
      "content-type": "application/cloudevents+json; charset=utf-8",
      ...(await signedHeaders(secret, event)),
    },
    body: event.body,
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the endpoint answered ${response.status}`);
}

/** The headers with which Standard Webhooks signs a body. */
export async function signedHeaders(
  secret: Uint8Array<ArrayBuffer>,
  { id, body, atMs }: { readonly id: string; readonly body: string; readonly atMs: number },
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(atMs / 1_000));
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", secret, algorithm, false, ["sign"]);
  const signed = encoder.encode(`${id}.${timestamp}.${body}`);
  const signature = base64(new Uint8Array(await crypto.subtle.sign("HMAC", key, signed)));
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signature}`,
  };
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
