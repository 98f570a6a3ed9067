// Owns the files of a batch: where its input is, and writing the answers and the errors, each as a file of the tenant's.
// May be repeated: the ids are made of the batch's own.
import { createFile, openControlDb } from "@fairlane/db";
import type { BatchSpec, BatchView } from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";
import { systemClock } from "../system-clock.ts";
import type { BatchStore } from "./batch-store.ts";

/** Key of the input in the bucket of artifacts. */
export function inputKey({ claim, inputFileId }: BatchSpec): string {
  return `${claim.tenantId}/files/${inputFileId}`;
}

/** Writes what there is; null for a file that would be empty. */
export async function writeFiles(
  env: HubEnv,
  store: BatchStore,
  spec: BatchSpec,
): Promise<Pick<BatchView, "outputFileId" | "errorFileId">> {
  const outputFileId = await writeFile(env, store, { spec, isError: false });
  const errorFileId = await writeFile(env, store, { spec, isError: true });
  return { outputFileId, errorFileId };
}

async function writeFile(
  env: HubEnv,
  store: BatchStore,
  file: { readonly spec: BatchSpec; readonly isError: boolean },
): Promise<string | null> {
  const { spec, isError } = file;
  const byteCount = store.fileBytes(isError);
  if (byteCount === 0) return null;
  const { tenantId } = spec.claim;
  const id = fileIdOf(spec.batchId, isError);
  const { readable, writable } = new FixedLengthStream(byteCount);
  const storing = env.ARTIFACTS.put(`${tenantId}/files/${id}`, readable);
  const encoder = new TextEncoder();
  const writer = writable.getWriter();
  // A failed store fails the writer too, and the other way round; awaited below.
  storing.catch(() => undefined);
  for (const page of store.pages(isError)) await writer.write(encoder.encode(page));
  await writer.close();
  await storing;
  const fileName = `${spec.batchId}_${isError ? "error" : "output"}.jsonl`;
  const createdAtMs = systemClock.nowMs();
  const row = { id, tenantId, purpose: "batch_output", fileName, byteCount, createdAtMs } as const;
  // The files of a batch that was taken in are kept, however many the tenant has.
  await createFile(openControlDb(env.CONTROL_DB), row, Number.MAX_SAFE_INTEGER);
  return id;
}

/** The batch's own id with one of its characters changed: unique, and the same when asked again. */
function fileIdOf(batchId: string, isError: boolean): string {
  const bare = batchId.slice("batch_".length, -1);
  return `file_${bare}${isError ? "e" : "r"}`;
}
