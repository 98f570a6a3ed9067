// The tenant's adapters under /v1/fairlane/adapters: create, list, look at, pin, delete. Deleting ends new use within
// ADAPTER_CACHE_MS everywhere; what runs, runs to its end, since nodes have the content by then.
import { newId } from "@fairlane/base";
import {
  createAdapter,
  deleteAdapter,
  latestVersions,
  listAdapters,
  listAdapterVersions,
  listGrantedAdapters,
  listGrants,
  pinAdapter,
  type Adapter,
} from "@fairlane/db";
import { adapterObjects, AppError } from "@fairlane/protocol";
import { auditAdapter } from "../adapters/audit-adapter.ts";
import { adapterBody, versionBody, type LatestVersion } from "../adapters/adapter-body.ts";
import { knownAdapter, ownAdapter } from "../adapters/own-adapter.ts";
import { residencyOf } from "../adapters/residency.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import * as limits from "../limits.ts";
import { adapterQuery, changedAdapter, newAdapter } from "./adapter-fields.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { tenantCaller } from "./tenant-caller.ts";

/** POST /v1/fairlane/adapters */
export function createAdapterRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const by = await tenantCaller(context, deps, "adapters:manage");
    const { tenantId } = by;
    const wanted = await parseAdminBody(context.req.raw, newAdapter);
    const adapter: Adapter = {
      id: newId("adp", deps.clock, deps.random),
      tenantId,
      name: wanted.name,
      baseModel: wanted.base_model,
      isPinned: false,
      createdAtMs: deps.clock.nowMs(),
    };
    const added = await createAdapter(deps.controlDb, adapter, limits.ADAPTERS_PER_TENANT_MAX);
    if (added === "name_taken") {
      const message = `You have an adapter named '${wanted.name}' already.`;
      throw new AppError("already_exists", message, { param: "name" });
    }
    if (added === "too_many") {
      const message = `A tenant may have ${limits.ADAPTERS_PER_TENANT_MAX} adapters. Delete one first.`;
      throw new AppError("too_many_adapters", message);
    }
    const { id: adapterId, name } = adapter;
    const details = { name, base_model: adapter.baseModel };
    await auditAdapter(context, deps, { by, action: "adapter.created", adapterId, details });
    const state = { isOwn: true, latest: undefined, residency: [] };
    return Response.json(adapterBody(adapter, state), { status: 201 });
  };
}

/** GET /v1/fairlane/adapters */
export function listAdaptersRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "adapters:read");
    const query = adapterQuery.safeParse(context.req.query());
    if (!query.success) {
      const message = "'access' is 'own' or 'granted', 'after' the id of an adapter.";
      throw new AppError("invalid_value", message, { param: "access" });
    }
    const { access, after } = query.data;
    // One more than a page, to know whether there is more.
    const page = { afterId: after, countMax: limits.ADAPTERS_PAGE_ENTRIES_MAX + 1 };
    const list = access === "own" ? listAdapters : listGrantedAdapters;
    const found = await list(deps.controlDb, tenantId, page);
    const shown = found.slice(0, limits.ADAPTERS_PAGE_ENTRIES_MAX);
    const latest = await latestOf(deps, shown);
    const digests = [...latest.values()].map(({ digest }) => digest);
    const residency = await residencyOf(context, deps, digests);
    const isOwn = access === "own";
    const data = shown.map((adapter) =>
      adapterBody(adapter, { isOwn, latest: latest.get(adapter.id), residency }),
    );
    return Response.json({ object: "list", data, has_more: found.length > shown.length });
  };
}

/** GET /v1/fairlane/adapters/{adapter} */
export function retrieveAdapterRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "adapters:read");
    const adapterId = context.req.param("adapter") ?? "";
    const { adapter, isOwn } = await knownAdapter(deps, tenantId, adapterId);
    const latest = (await latestOf(deps, [adapter])).get(adapter.id);
    const residency = await residencyOf(context, deps, latest ? [latest.digest] : []);
    const body = adapterBody(adapter, { isOwn, latest, residency });
    if (!isOwn) return Response.json(body);
    const [versions, grants] = await Promise.all([
      listAdapterVersions(deps.controlDb, adapter.id, limits.VERSIONS_PAGE_ENTRIES_MAX),
      listGrants(deps.controlDb, adapter.id, limits.GRANTS_PER_ADAPTER_MAX),
    ]);
    return Response.json({
      ...body,
      versions: versions.map((version) => versionBody(adapter, version)),
      granted_to: grants,
    });
  };
}

/** PATCH /v1/fairlane/adapters/{adapter} */
export function changeAdapterRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const by = await tenantCaller(context, deps, "adapters:manage");
    const { tenantId } = by;
    const { pinned } = await parseAdminBody(context.req.raw, changedAdapter);
    const adapter = await ownAdapter(deps, tenantId, context.req.param("adapter") ?? "");
    await pinAdapter(deps.controlDb, { tenantId, adapterId: adapter.id }, pinned);
    deps.adapterNames.forget(tenantId);
    const details = { pinned };
    const done = { by, action: "adapter.changed", adapterId: adapter.id, details } as const;
    await auditAdapter(context, deps, done);
    const latest = (await latestOf(deps, [adapter])).get(adapter.id);
    const residency = await residencyOf(context, deps, latest ? [latest.digest] : []);
    const changed = { ...adapter, isPinned: pinned };
    return Response.json(adapterBody(changed, { isOwn: true, latest, residency }));
  };
}

/** DELETE /v1/fairlane/adapters/{adapter} */
export function deleteAdapterRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const by = await tenantCaller(context, deps, "adapters:manage");
    const { tenantId } = by;
    const adapter = await ownAdapter(deps, tenantId, context.req.param("adapter") ?? "");
    const { controlDb, config } = deps;
    // The files first: what fails half-way is still listed and can be deleted again.
    const versions = await listAdapterVersions(
      controlDb,
      adapter.id,
      limits.VERSIONS_PER_ADAPTER_MAX,
    );
    const keys = versions.map(({ id }) => adapterObjects({ tenantId, versionId: id }));
    if (keys.length > 0) {
      await config.artifacts.delete(keys.flatMap(({ config: text, weights }) => [text, weights]));
    }
    await deleteAdapter(controlDb, adapter.id);
    deps.adapterNames.forget(tenantId);
    const details = { name: adapter.name, versions: versions.length };
    const done = { by, action: "adapter.deleted", adapterId: adapter.id, details } as const;
    await auditAdapter(context, deps, done);
    return Response.json({ object: "fairlane.adapter", id: adapter.id, deleted: true });
  };
}

async function latestOf(
  deps: EdgeDependencies,
  adapters: readonly Adapter[],
): Promise<ReadonlyMap<string, LatestVersion>> {
  const ids = adapters.map(({ id }) => id);
  const rows = await latestVersions(deps.controlDb, ids);
  return new Map(rows.map(({ adapterId, version, digest }) => [adapterId, { version, digest }]));
}
