// Owns the door where nodes pull adapters: GET /wire/v1/adapters/<digest>/<file>?source=<tenant>/<version>. Streams
// from the bucket, from any byte on. Invariant: what is served was registered under the digest that is asked for, so a
// source that was made up, or another kind of object, is not found.
import {
  ADAPTER_FILES,
  adapterObjects,
  AppError,
  readNodeToken,
  type AdapterFile,
} from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";

const BEARER = /^bearer +([^ ]+)$/i;
const PATH = /^\/wire\/v1\/adapters\/([0-9a-f]{64})\/([a-z_.]{1,64})$/;
const SOURCE = /^([a-z0-9_]{1,64})\/([a-z0-9_]{1,64})$/;

/** True for a path under which adapters are served. */
export function isAdapterPath(path: string): boolean {
  return path.startsWith("/wire/v1/adapters/");
}

/** One file of an adapter. Throws AppError. */
export async function serveAdapter(request: Request, env: HubEnv): Promise<Response> {
  // 1. Who asks.
  const token = BEARER.exec(request.headers.get("authorization") ?? "")?.[1];
  const { keyPepper } = hubConfig(env);
  const node = token === undefined ? undefined : await readNodeToken(token, keyPepper);
  if (!node) {
    throw new AppError("invalid_node_token", "The node token is absent, malformed or forged.");
  }
  if (request.method !== "GET") {
    throw new AppError("method_not_allowed", "Adapters are read with GET.");
  }
  // 2. What is asked for.
  const url = new URL(request.url);
  const [, digest, name] = PATH.exec(url.pathname) ?? [];
  const [, tenantId, versionId] = SOURCE.exec(url.searchParams.get("source") ?? "") ?? [];
  const file = ADAPTER_FILES.find((one) => one === name);
  if (!digest || !tenantId || !versionId || file === undefined) throw unknownAdapter();
  const keys = adapterObjects({ tenantId, versionId });
  // 3. Whether it is what its digest says; the configuration carries it.
  const config = await env.ARTIFACTS.head(keys.config);
  if (config?.customMetadata?.["digest"] !== digest) throw unknownAdapter();
  return answer(request, env, keyOf(keys, file));
}

function keyOf(keys: ReturnType<typeof adapterObjects>, file: AdapterFile): string {
  return file === "adapter_config.json" ? keys.config : keys.weights;
}

async function answer(request: Request, env: HubEnv, key: string): Promise<Response> {
  const from = /^bytes=([0-9]{1,12})-$/.exec(request.headers.get("range") ?? "")?.[1];
  const offset = Number(from ?? 0);
  const object = await env.ARTIFACTS.head(key);
  if (object === null) throw unknownAdapter();
  if (offset >= object.size) {
    const message = `The file has ${object.size} bytes; none begin at ${offset}.`;
    throw new AppError("invalid_value", message, { param: "range" });
  }
  const length = object.size - offset;
  const part = await env.ARTIFACTS.get(key, { range: { offset, length } });
  if (part === null) throw unknownAdapter();
  const headers = {
    "content-type": "application/octet-stream",
    "content-length": String(length),
    "accept-ranges": "bytes",
  };
  if (from === undefined) return new Response(part.body, { headers });
  const range = `bytes ${offset}-${object.size - 1}/${object.size}`;
  return new Response(part.body, { status: 206, headers: { ...headers, "content-range": range } });
}

function unknownAdapter(): AppError {
  return new AppError("not_found", "No adapter with this digest is at this source.");
}
