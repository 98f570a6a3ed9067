// Versions of an adapter: announce one with its configuration and size, send its weights in one body or in parts,
// complete it, read it back. A version that is ready never changes.
import { newId } from "@fairlane/base";
import {
  createAdapterVersion,
  dropStaleVersions,
  dropUploadParts,
  findAdapterVersion,
  type Adapter,
  type AdapterVersion,
} from "@fairlane/db";
import { adapterObjects, AppError, protocolLimits, type Caller } from "@fairlane/protocol";
import { auditAdapter } from "../adapters/audit-adapter.ts";
import { versionBody } from "../adapters/adapter-body.ts";
import { ownAdapter } from "../adapters/own-adapter.ts";
import {
  completeWeights,
  storePart,
  storeWhole,
  type OwnVersion,
} from "../adapters/store-weights.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import * as limits from "../limits.ts";
import { newAdapterVersion } from "./adapter-fields.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { tenantCaller } from "./tenant-caller.ts";

/** Room for the other fields beside the configuration. */
const VERSION_BODY_BYTES_MAX = protocolLimits.ADAPTER_CONFIG_BYTES_MAX + 1_024;

/** POST /v1/fairlane/adapters/{adapter}/versions */
export function createAdapterVersionRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "adapters:manage");
    const adapter = await ownAdapter(deps, tenantId, context.req.param("adapter") ?? "");
    const { raw } = context.req;
    const wanted = await parseAdminBody(raw, newAdapterVersion, VERSION_BODY_BYTES_MAX);
    await giveUpStale(deps, adapter);
    const id = newId("adv", deps.clock, deps.random);
    const inParts =
      wanted.part_bytes !== undefined || wanted.bytes > limits.DIRECT_UPLOAD_BYTES_MAX;
    const { weights } = adapterObjects({ tenantId, versionId: id });
    const upload = inParts ? await deps.config.artifacts.createMultipartUpload(weights) : null;
    const row = {
      id,
      adapterId: adapter.id,
      config: JSON.stringify(wanted.config),
      weightsBytes: wanted.bytes,
      partBytes: inParts ? (wanted.part_bytes ?? limits.UPLOAD_PART_BYTES_DEFAULT) : null,
      uploadId: upload?.uploadId ?? null,
      createdAtMs: deps.clock.nowMs(),
    };
    const version = await createAdapterVersion(
      deps.controlDb,
      row,
      limits.VERSIONS_PER_ADAPTER_MAX,
    );
    if (version === undefined) {
      await upload?.abort();
      const message = `An adapter may have ${limits.VERSIONS_PER_ADAPTER_MAX} versions.`;
      throw new AppError("too_many_adapters", message);
    }
    return Response.json(versionBody(adapter, version), { status: 201 });
  };
}

/** PUT /v1/fairlane/adapters/{adapter}/versions/{version}/content: the weights in one body. */
export function putAdapterContentRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { by, adapter, own } = await openVersion(context, deps);
    if (own.version.partBytes !== null) {
      throw new AppError("invalid_value", "This version's content is sent in parts.");
    }
    const digest = await storeWhole(deps, own, context.req.raw.body);
    return ready(context, deps, { by, adapter, version: { ...own.version, digest } });
  };
}

/** PUT /v1/fairlane/adapters/{adapter}/versions/{version}/parts/{part}: may be repeated. */
export function putAdapterPartRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { own } = await openVersion(context, deps);
    const number = positive(context.req.param("part"));
    await storePart(deps, own, { number, body: context.req.raw.body });
    return Response.json({ object: "fairlane.upload_part", part: number });
  };
}

/** POST /v1/fairlane/adapters/{adapter}/versions/{version}/complete: after the parts; may be repeated until it is ready. */
export function completeAdapterVersionRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { by, adapter, own } = await openVersion(context, deps);
    const digest = await completeWeights(deps, own);
    return ready(context, deps, { by, adapter, version: { ...own.version, digest } });
  };
}

/** GET /v1/fairlane/adapters/{adapter}/versions/{version}/content: its owner reads the weights back. */
export function readAdapterContentRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { own } = await ownVersion(context, deps, "adapters:read");
    const { tenantId, version } = own;
    const keys = adapterObjects({ tenantId, versionId: version.id });
    const object = version.digest === null ? null : await deps.config.artifacts.get(keys.weights);
    if (object === null) throw unknownVersion();
    const headers = {
      "content-type": "application/octet-stream",
      "content-length": String(object.size),
      "cache-control": "no-store",
    };
    return new Response(object.body as ReadableStream, { headers });
  };
}

/** A version that still wants content. */
async function openVersion(context: EdgeContext, deps: EdgeDependencies) {
  const found = await ownVersion(context, deps, "adapters:manage");
  if (found.own.version.digest === null) return found;
  throw new AppError("already_exists", "The version is ready; versions never change.");
}

async function ownVersion(
  context: EdgeContext,
  deps: EdgeDependencies,
  scope: "adapters:read" | "adapters:manage",
): Promise<{ readonly by: Caller; readonly adapter: Adapter; readonly own: OwnVersion }> {
  const by = await tenantCaller(context, deps, scope);
  const { tenantId } = by;
  const adapter = await ownAdapter(deps, tenantId, context.req.param("adapter") ?? "");
  const number = positive(context.req.param("version"));
  const version = await findAdapterVersion(deps.controlDb, adapter.id, number);
  if (version === undefined) throw unknownVersion();
  return { by, adapter, own: { tenantId, version } };
}

async function ready(
  context: EdgeContext,
  deps: EdgeDependencies,
  done: { readonly by: Caller; readonly adapter: Adapter; readonly version: AdapterVersion },
): Promise<Response> {
  const { by, adapter, version } = done;
  deps.adapterNames.forget(adapter.tenantId);
  const details = { version: version.version, digest: version.digest };
  const entry = { by, action: "adapter.version_added", adapterId: adapter.id, details } as const;
  await auditAdapter(context, deps, entry);
  return Response.json(versionBody(adapter, version));
}

/** Uploads that nobody went on with: their number stays unused, their bytes go. */
async function giveUpStale(deps: EdgeDependencies, adapter: Adapter): Promise<void> {
  const { controlDb, config, clock } = deps;
  const beforeMs = clock.nowMs() - limits.UPLOAD_AGE_MS_MAX;
  for (const { id, uploadId } of await dropStaleVersions(controlDb, adapter.id, beforeMs)) {
    const { weights } = adapterObjects({ tenantId: adapter.tenantId, versionId: id });
    await dropUploadParts(controlDb, id);
    await config.artifacts.delete(weights);
    // The bucket may have given it up already.
    if (uploadId !== null) {
      await config.artifacts
        .resumeMultipartUpload(weights, uploadId)
        .abort()
        .catch(() => undefined);
    }
  }
}

function positive(text: string | undefined): number {
  return /^[1-9][0-9]{0,8}$/.test(text ?? "") ? Number(text) : 0;
}

function unknownVersion(): AppError {
  return new AppError("not_found", "The adapter has no such version.", { param: "version" });
}
