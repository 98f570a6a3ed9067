// Owns the two files of a PEFT adapter: their names, and where edge and hub keep them in the bucket of artifacts.

/** By their names in PEFT's folder. */
export const ADAPTER_FILES = ["adapter_config.json", "adapter_model.safetensors"] as const;
export type AdapterFile = (typeof ADAPTER_FILES)[number];

/** Keys of both files of a version. The weights are written first, the configuration once all has been checked. */
export function adapterObjects(version: { readonly tenantId: string; readonly versionId: string }) {
  const { tenantId, versionId } = version;
  return {
    config: `${tenantId}/adapter-configs/${versionId}`,
    weights: `${tenantId}/adapters/${versionId}`,
  } as const;
}
