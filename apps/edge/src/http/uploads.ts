// OpenAI's uploads under /v1/uploads: a file above what one body may have, in parts of any size, in any order. Each part is
// kept by itself until the upload is completed; then all are written as one file, a chunk at a time.
import { isId, newId } from "@fairlane/base";
import {
  addUploadPiece,
  arrivedOf,
  createUpload,
  dropExpiredUploads,
  dropUpload,
  findUpload,
  listUploadPieces,
  type StoredFile,
  type Upload,
} from "@fairlane/db";
import { AppError } from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { fileKey, pieceKey, uploadBody } from "../files/file-body.ts";
import { readForm } from "../files/read-form.ts";
import { registerFile } from "../files/register-file.ts";
import * as limits from "../limits.ts";
import { completedUpload, newUpload } from "./file-fields.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { tenantCaller } from "./tenant-caller.ts";

/** POST /v1/uploads */
export function createUploadRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "files");
    const wanted = await parseAdminBody(context.req.raw, newUpload);
    const createdAtMs = deps.clock.nowMs();
    const expired = { nowMs: createdAtMs, countMax: limits.OPEN_UPLOADS_MAX };
    await deletePieces(deps, tenantId, await dropExpiredUploads(deps.controlDb, tenantId, expired));
    const upload: Upload = {
      id: newId("upload", deps.clock, deps.random),
      tenantId,
      fileName: wanted.filename,
      byteCount: wanted.bytes,
      createdAtMs,
      expiresAtMs: createdAtMs + limits.UPLOAD_LIFE_MS,
    };
    if (!(await createUpload(deps.controlDb, upload, limits.OPEN_UPLOADS_MAX))) {
      const message = `A tenant may have ${limits.OPEN_UPLOADS_MAX} uploads under way.`;
      throw new AppError("too_many_files", message);
    }
    return Response.json(uploadBody(upload, { status: "pending" }));
  };
}

/** POST /v1/uploads/{upload}/parts */
export function addUploadPartRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const upload = await ownUpload(context, deps);
    const { file } = await readForm(context.req.raw, { file: "data", texts: [] });
    const arrived = await arrivedOf(deps.controlDb, upload.id);
    const leftBytes = upload.byteCount - arrived.bytes;
    if (file.size < 1 || file.size > leftBytes || arrived.count >= limits.UPLOAD_PIECES_MAX) {
      const message = `The part has ${file.size} bytes; ${leftBytes} are missing, in at most ${limits.UPLOAD_PIECES_MAX} parts.`;
      throw new AppError("invalid_value", message, { param: "data" });
    }
    const createdAtMs = deps.clock.nowMs();
    const id = newId("part", deps.clock, deps.random);
    await deps.config.artifacts.put(pieceKey(upload.tenantId, id), await file.arrayBuffer());
    const piece = { id, uploadId: upload.id, byteCount: file.size, createdAtMs };
    await addUploadPiece(deps.controlDb, piece);
    const createdSeconds = Math.floor(createdAtMs / 1_000);
    const body = { id, object: "upload.part", created_at: createdSeconds, upload_id: upload.id };
    return Response.json(body);
  };
}

/** POST /v1/uploads/{upload}/complete */
export function completeUploadRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const upload = await ownUpload(context, deps);
    const { part_ids: partIds } = await parseAdminBody(context.req.raw, completedUpload);
    const { tenantId, byteCount, fileName } = upload;
    await checkParts(deps, upload, partIds);
    const id = newId("file", deps.clock, deps.random);
    const createdAtMs = deps.clock.nowMs();
    const file: StoredFile = { id, tenantId, purpose: "batch", fileName, byteCount, createdAtMs };
    await joinParts(deps, file, partIds);
    await registerFile(deps, file);
    await deletePieces(deps, tenantId, await dropUpload(deps.controlDb, upload.id));
    return Response.json(uploadBody(upload, { status: "completed", file }));
  };
}

/** POST /v1/uploads/{upload}/cancel */
export function cancelUploadRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const upload = await ownUpload(context, deps);
    await deletePieces(deps, upload.tenantId, await dropUpload(deps.controlDb, upload.id));
    return Response.json(uploadBody(upload, { status: "cancelled" }));
  };
}

async function ownUpload(context: EdgeContext, deps: EdgeDependencies): Promise<Upload> {
  const { tenantId } = await tenantCaller(context, deps, "files");
  const uploadId = context.req.param("upload") ?? "";
  const own = { tenantId, uploadId };
  const nowMs = deps.clock.nowMs();
  const upload = isId("upload", uploadId)
    ? await findUpload(deps.controlDb, own, nowMs)
    : undefined;
  if (upload !== undefined) return upload;
  const message = "You have no upload with this id under way.";
  throw new AppError("not_found", message, { param: "upload" });
}

async function checkParts(
  deps: EdgeDependencies,
  upload: Upload,
  partIds: readonly string[],
): Promise<void> {
  const pieces = await listUploadPieces(deps.controlDb, upload.id, limits.UPLOAD_PIECES_MAX);
  const bytesOf = new Map(pieces.map(({ id, byteCount }) => [id, byteCount]));
  const isComplete =
    new Set(partIds).size === partIds.length && partIds.every((id) => bytesOf.has(id));
  const bytes = partIds.reduce((total, id) => total + (bytesOf.get(id) ?? 0), 0);
  if (isComplete && bytes === upload.byteCount) return;
  const message = `'part_ids' must name parts of this upload, each once, of ${upload.byteCount} bytes together; these have ${bytes}.`;
  throw new AppError("invalid_value", message, { param: "part_ids" });
}

async function joinParts(
  deps: EdgeDependencies,
  file: StoredFile,
  partIds: readonly string[],
): Promise<void> {
  const { artifacts } = deps.config;
  const { readable, writable } = new FixedLengthStream(file.byteCount);
  const storing = artifacts.put(fileKey(file.tenantId, file.id), readable);
  // A failed copy fails the store too; the copy's reason is the one that counts.
  storing.catch(() => undefined);
  for (const id of partIds) {
    const part = await artifacts.get(pieceKey(file.tenantId, id));
    if (part === null) {
      await writable.abort(new Error("a part is gone"));
      throw new AppError("invalid_value", "A part of the upload is gone.", { param: "part_ids" });
    }
    await (part.body as ReadableStream).pipeTo(writable, { preventClose: true });
  }
  await writable.close();
  await storing;
}

async function deletePieces(
  deps: EdgeDependencies,
  tenantId: string,
  pieceIds: readonly string[],
): Promise<void> {
  for (let from = 0; from < pieceIds.length; from += limits.BUCKET_DELETE_ENTRIES_MAX) {
    const some = pieceIds.slice(from, from + limits.BUCKET_DELETE_ENTRIES_MAX);
    await deps.config.artifacts.delete(some.map((id) => pieceKey(tenantId, id)));
  }
}
