// GET /v1/models and /v1/models/{id}: what the region's nodes serve, and the adapters on it that the tenant may use, as far
// as the key may. Every node links to every shard, so shard 0 speaks for the region.
import { listUsableAdapters, type UsableAdapter } from "@fairlane/db";
import {
  adapterText,
  AppError,
  modelBody,
  modelList,
  parseModelName,
  type ModelCard,
  type Principal,
} from "@fairlane/protocol";
import { adapterOf, unknownModel } from "../adapters/resolve-model.ts";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { ADAPTER_MODELS_MAX } from "../limits.ts";
import { regionModels } from "./region-models.ts";

export function listModelsRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const principal = await keyCaller(context, deps);
    const [bases, adapters] = await Promise.all([
      baseModels(context, deps, principal),
      listUsableAdapters(deps.controlDb, principal.tenantId, ADAPTER_MODELS_MAX),
    ]);
    const cards = adapters.flatMap((adapter) => {
      const base = bases.find(({ id }) => id === adapter.baseModel);
      if (base === undefined || !mayUse(principal, adapter)) return [];
      // Under the name of the latest version, whichever that is at the time of a request.
      const { ownerTenantId: owner, name } = adapter;
      return adapterCard(base, adapter, adapterText({ owner, name }));
    });
    return Response.json(modelList([...bases, ...cards]));
  };
}

export function retrieveModelRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const principal = await keyCaller(context, deps);
    const id = context.req.param("model") ?? "";
    const bases = await baseModels(context, deps, principal);
    const card =
      bases.find((base) => base.id === id) ?? (await named(deps, principal, { bases, id }));
    if (card === undefined) throw AppError.of(unknownModel());
    return Response.json(modelBody(card));
  };
}

/** A key: no session has models. */
async function keyCaller(context: EdgeContext, deps: EdgeDependencies): Promise<Principal> {
  const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);
  return admit(context, deps, { claim, scope: "inference", hold: null });
}

async function baseModels(
  context: EdgeContext,
  deps: EdgeDependencies,
  { allowedModels }: Principal,
): Promise<readonly ModelCard[]> {
  const models = await regionModels(deps, 0, context.get("requestId"));
  return allowedModels === null ? models : models.filter(({ id }) => allowedModels.includes(id));
}

/** The adapter of this name, under this name. */
async function named(
  deps: EdgeDependencies,
  principal: Principal,
  { bases, id }: { readonly bases: readonly ModelCard[]; readonly id: string },
): Promise<ModelCard | undefined> {
  const name = parseModelName(id);
  const base = bases.find((model) => model.id === name?.base);
  if (base === undefined || name?.adapter === undefined) return undefined;
  const wanted = { base: base.id, ref: name.adapter };
  const adapter = await adapterOf(deps, principal.tenantId, wanted);
  if (adapter === undefined || !mayUse(principal, adapter)) return undefined;
  return adapterCard(base, adapter, id.slice(base.id.length + 1));
}

function mayUse({ allowedAdapters }: Principal, { adapterId }: UsableAdapter): boolean {
  return allowedAdapters === null || allowedAdapters.includes(adapterId);
}

function adapterCard(base: ModelCard, adapter: UsableAdapter, text: string): ModelCard {
  return {
    ...base,
    id: `${base.id}:${text}`,
    createdSeconds: Math.floor(adapter.createdAtMs / 1_000),
    parent: base.id,
    owner: adapter.ownerTenantId,
  };
}
