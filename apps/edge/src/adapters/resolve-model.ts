// Owns what a request's `model` means: a base model as it is, or a base model and an adapter by its digest. A request
// for a base model costs nothing here.
import { err, ok, type Result } from "@fairlane/base";
import { submitAdapterOf, type UsableAdapter } from "@fairlane/db";
import {
  parseModelName,
  type AdapterRef,
  type ApiKeyClaim,
  type ErrorValue,
  type SubmitAdapter,
  type Wanted,
} from "@fairlane/protocol";
import type { EdgeDependencies } from "../edge-context.ts";

/** A body whose `model`, if it has one, is a base model's. */
export interface AskedModel<Body> {
  readonly body: Body;
  /** What admission checks against the key's lists; undefined when no model is named. */
  readonly wanted: Wanted | undefined;
  /** For the hub's request: the adapter, or nothing. */
  readonly adapterTerm: { readonly adapter?: SubmitAdapter };
}

/** Resolves the model that a body names; what is wrong already stays so. */
export async function resolveModel<Body extends { readonly model?: string | undefined }>(
  deps: Pick<EdgeDependencies, "adapterNames">,
  claim: ApiKeyClaim,
  parsed: Result<Body, ErrorValue>,
): Promise<Result<AskedModel<Body>, ErrorValue>> {
  if (!parsed.ok) return parsed;
  const body = parsed.value;
  if (body.model === undefined) return ok({ body, wanted: undefined, adapterTerm: {} });
  const name = parseModelName(body.model);
  if (name === undefined) return err(unknownModel());
  const { base, adapter: ref } = name;
  if (ref === undefined) return ok({ body, wanted: { model: base }, adapterTerm: {} });
  const adapter = await adapterOf(deps, claim.tenantId, { base, ref });
  if (adapter === undefined) return err(unknownModel());
  const { adapterId: id, ownerTenantId } = adapter;
  return ok({
    body: { ...body, model: base },
    wanted: { model: base, adapter: { id, ownerTenantId } },
    adapterTerm: { adapter: submitAdapterOf(adapter) },
  });
}

/** The adapter of a name, if the tenant may use it on this base. */
export async function adapterOf(
  deps: Pick<EdgeDependencies, "adapterNames">,
  tenantId: string,
  wanted: { readonly base: string; readonly ref: AdapterRef },
): Promise<UsableAdapter | undefined> {
  const { owner: ownerTenantId = tenantId, name, version } = wanted.ref;
  const adapter = await deps.adapterNames.resolve({ tenantId, ownerTenantId, name, version });
  return adapter?.baseModel === wanted.base ? adapter : undefined;
}

/** The one refusal of what does not exist and what the tenant may not know of. */
export function unknownModel(): ErrorValue {
  const message = "The model does not exist or you do not have access to it.";
  return { code: "model_not_found", message, param: "model" };
}
