// Owns how an adapter that a tenant may use is told to a node.
import { adapterText, type SubmitAdapter } from "@fairlane/protocol";
import type { UsableAdapter } from "./usable-adapters.ts";

/** The adapter as a request carries it. */
export function submitAdapterOf(adapter: UsableAdapter): SubmitAdapter {
  const { ownerTenantId: owner, name, version, digest, weightsBytes, versionId } = adapter;
  return {
    name: adapterText({ owner, name, version }),
    digest,
    bytes: weightsBytes,
    source: `${owner}/${versionId}`,
    ...(adapter.isPinned ? { pinned: true } : {}),
  };
}
