// Owns where a client is. On Cloudflare the platform writes `cf-connecting-ip` and drops what the client sent under
// that name. Elsewhere nobody does, so a deployment says which of the two it is; no other header is ever read.
import type { EdgeConfig } from "../env.ts";

const LOOPBACK = "127.0.0.1";

/** The client's address; undefined when the platform did not tell. */
export function clientAddress(
  headers: Headers,
  source: EdgeConfig["clientAddress"],
): string | undefined {
  if (source === "loopback") return LOOPBACK;
  return headers.get("cf-connecting-ip") ?? undefined;
}
