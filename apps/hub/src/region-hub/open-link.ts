// Owns the door of the link: a node's token is checked before its upgrade reaches a shard, and the shard learns
// the node's name from here only. Nothing past this point trusts what a node says its name is.
import { AppError, readNodeToken } from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";
import { objectsOf } from "../objects.ts";

/** Carries the name of the authenticated node to its shard. */
export const NODE_NAME_HEADER = "x-fairlane-node";
/** Carries the shard's number, which the object does not know of itself. */
export const SHARD_HEADER = "x-fairlane-shard";
const BEARER = /^bearer +([^ ]+)$/i;

/** Authenticates the upgrade and hands it to its shard's RegionHub. Throws AppError. */
export async function openLink(request: Request, env: HubEnv): Promise<Response> {
  const config = hubConfig(env);
  // 1. Who dials.
  const token = BEARER.exec(request.headers.get("authorization") ?? "")?.[1];
  const node = token === undefined ? undefined : await readNodeToken(token, config.keyPepper);
  if (!node) {
    throw new AppError("invalid_node_token", "The node token is absent, malformed or forged.");
  }
  // 2. What it dials.
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    throw new AppError("invalid_value", "The link is a WebSocket: send an upgrade.");
  }
  const asked = new URL(request.url).searchParams;
  const region = asked.get("region") ?? config.region;
  if (!config.regions.includes(region)) {
    throw new AppError("not_found", "No such region: see the hub's REGIONS.");
  }
  const shardText = asked.get("shard") ?? "";
  const shard = /^[0-9]{1,4}$/.test(shardText) ? Number(shardText) : Number.NaN;
  if (!(shard < config.shardCount)) {
    throw new AppError("not_found", `No such shard: the region has ${config.shardCount}.`);
  }
  // 3. On to the shard, without the token.
  const headers = new Headers(request.headers);
  headers.delete("authorization");
  headers.set(NODE_NAME_HEADER, node.nodeName);
  headers.set(SHARD_HEADER, String(shard));
  const hub = objectsOf(env).shard(region, shard);
  return hub.fetch(new Request(request, { headers }));
}
