// Owns the files that a batch writes: the answers and the errors, each a sealed file of the tenant's. May be repeated: the
// ids are made of the batch's own.
import { createFile, openControlDb } from "@fairlane/db";
import { protocolLimits, type BatchSpec, type BatchView } from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";
import { systemClock } from "../system-clock.ts";
import { filesOf } from "./batch-files.ts";
import type { BatchStore } from "./batch-store.ts";

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
  const files = await filesOf(env, tenantId);
  await files.put({ kind: "files", id }, bytesOf(store.pages(isError)), byteCount);
  const fileName = `${spec.batchId}_${isError ? "error" : "output"}.jsonl`;
  const createdAtMs = systemClock.nowMs();
  const expiresAtMs = createdAtMs + (spec.outputLifeMs ?? protocolLimits.FILE_KEPT_MS);
  const named = { id, tenantId, purpose: "batch_output", fileName } as const;
  const row = { ...named, byteCount, createdAtMs, expiresAtMs };
  // The files of a batch that was taken in are kept, however many the tenant has.
  await createFile(openControlDb(env.CONTROL_DB), row, Number.MAX_SAFE_INTEGER);
  return id;
}

async function* bytesOf(pages: Iterable<string>) {
  const encoder = new TextEncoder();
  for (const page of pages) yield encoder.encode(page);
}

/** The batch's own id with one of its characters changed: unique, and the same when asked again. */
function fileIdOf(batchId: string, isError: boolean): string {
  const bare = batchId.slice("batch_".length, -1);
  return `file_${bare}${isError ? "e" : "r"}`;
}
