// Owns who may do what with an adapter besides running it: its owner everything, a tenant that it is granted to may know
// that it exists, everybody else may not even know that.
import { isId } from "@fairlane/base";
import { findAdapter, findGrantedAdapter, type Adapter } from "@fairlane/db";
import { AppError } from "@fairlane/protocol";
import type { EdgeDependencies } from "../edge-context.ts";

/** The caller's own adapter; throws a 403 for one that was granted to it, a 404 for any other. */
export async function ownAdapter(
  deps: EdgeDependencies,
  tenantId: string,
  adapterId: string,
): Promise<Adapter> {
  const { adapter, isOwn } = await knownAdapter(deps, tenantId, adapterId);
  if (isOwn) return adapter;
  const message = "The adapter is another tenant's: you may use it, and nothing else.";
  throw new AppError("adapter_not_allowed", message, { param: "adapter" });
}

/** An adapter that the caller may know of; throws a 404. */
export async function knownAdapter(
  deps: EdgeDependencies,
  tenantId: string,
  adapterId: string,
): Promise<{ readonly adapter: Adapter; readonly isOwn: boolean }> {
  if (isId("adp", adapterId)) {
    const own = await findAdapter(deps.controlDb, { tenantId, adapterId });
    if (own !== undefined) return { adapter: own, isOwn: true };
    const granted = await findGrantedAdapter(deps.controlDb, { tenantId, adapterId });
    if (granted !== undefined) return { adapter: granted, isOwn: false };
  }
  throw new AppError("not_found", "You have no adapter with this id.", { param: "adapter" });
}
