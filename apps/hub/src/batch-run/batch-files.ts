// Owns opening the files of a batch's tenant: sealed under a key that is derived from the server's secret.
import { filesKeyOf, SealedFiles, type SealedRef } from "@fairlane/db";
import type { BatchSpec } from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";

const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };
const lengthStream = (bytes: number) => new FixedLengthStream(bytes);

/** The tenant's files. */
export async function filesOf(env: HubEnv, tenantId: string): Promise<SealedFiles> {
  const key = await filesKeyOf(hubConfig(env).saltSecret, tenantId);
  return new SealedFiles({ bucket: env.ARTIFACTS, tenantId, key, random, lengthStream });
}

/** The batch's input. */
export function inputOf({ inputFileId }: BatchSpec): SealedRef {
  return { kind: "files", id: inputFileId };
}
