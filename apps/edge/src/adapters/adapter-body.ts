// Owns how adapters and their versions look in answers.
import type { Adapter, AdapterVersion } from "@fairlane/db";
import { adapterText, type AdapterResidency } from "@fairlane/protocol";

/** What of an adapter's newest usable version an answer tells. */
export interface LatestVersion {
  readonly version: number;
  readonly digest: string;
}

/** An adapter. @param residency null while the hub cannot be asked */
export function adapterBody(
  adapter: Adapter,
  state: {
    readonly isOwn: boolean;
    readonly latest: LatestVersion | undefined;
    readonly residency: readonly AdapterResidency[] | null;
  },
) {
  const { id, tenantId: owner, name, baseModel } = adapter;
  const { isOwn, latest, residency } = state;
  const here = residency?.filter(({ digest }) => digest === latest?.digest) ?? null;
  return {
    object: "fairlane.adapter",
    id,
    name,
    owner,
    access: isOwn ? "owner" : "granted",
    base_model: baseModel,
    /** What `model` is to be for the latest version. */
    model: `${baseModel}:${adapterText({ owner, name })}`,
    latest_version: latest?.version ?? null,
    pinned: adapter.isPinned,
    residency: here?.map(({ nodeId, tier }) => ({ node: nodeId, tier })) ?? null,
    created_at_ms: adapter.createdAtMs,
  };
}

/** A version, for its owner. */
export function versionBody(adapter: Adapter, row: AdapterVersion) {
  const { tenantId: owner, name, baseModel } = adapter;
  const { version, digest, weightsBytes, partBytes } = row;
  const upload =
    partBytes === null
      ? { part_bytes: null, part_count: 1 }
      : { part_bytes: partBytes, part_count: Math.ceil(weightsBytes / partBytes) };
  return {
    object: "fairlane.adapter_version",
    id: row.id,
    adapter_id: adapter.id,
    version,
    state: digest === null ? "uploading" : "ready",
    model: `${baseModel}:${adapterText({ owner, name, version })}`,
    digest,
    bytes: weightsBytes,
    upload: digest === null ? upload : null,
    created_at_ms: row.createdAtMs,
  };
}
