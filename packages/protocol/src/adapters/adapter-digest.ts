// Owns what identifies an adapter's content everywhere: one digest over its two files. Edge and node compute it
// alike, so that a node can check what it pulled. And where edge and hub keep both files.
import { hashFields, toHex } from "@fairlane/base";

const DOMAIN = "fairlane-adapter-v1";

/** Both files of a PEFT adapter, by their names in it. */
export const ADAPTER_FILES = ["adapter_config.json", "adapter_model.safetensors"] as const;
export type AdapterFile = (typeof ADAPTER_FILES)[number];

/** Keys of both files in the bucket of artifacts. The weights come first, the configuration once all is checked. */
export function adapterObjects(version: { readonly tenantId: string; readonly versionId: string }) {
  const { tenantId, versionId } = version;
  return {
    config: `${tenantId}/adapter-configs/${versionId}`,
    weights: `${tenantId}/adapters/${versionId}`,
  } as const;
}

/** The digest of an adapter, 64 hex digits, from the SHA-256 of each file (hex). */
export async function adapterDigest(files: {
  readonly configSha256: string;
  readonly weightsSha256: string;
}): Promise<string> {
  return toHex(await hashFields(DOMAIN, [files.configSha256, files.weightsSha256]));
}
