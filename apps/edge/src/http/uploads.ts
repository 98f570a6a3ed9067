// OpenAI's uploads under /v1/uploads: a file above what one body may have, in parts of any size, in any order. Each part is
// sealed by itself until the upload is completed; then all are written as one file, a chunk at a time.
import { isId, newId } from "@fairlane/base";
import {
  addUploadPiece,
  arrivedOf,
  createUpload,
  dropExpiredUploads,
  dropUpload,
  findUpload,
  listUploadPieces,
  type SealedFiles,
  type StoredFile,
  type Upload,
} from "@fairlane/db";
import { AppError } from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { lifeMsOf } from "../files/expiry.ts";
import { uploadBody } from "../files/file-body.ts";
import { filesCaller, type FilesCaller } from "../files/files-caller.ts";
import { readForm } from "../files/read-form.ts";
import { registerFile } from "../files/register-file.ts";
import * as limits from "../limits.ts";
import { completedUpload, newUpload } from "./file-fields.ts";
import { parseAdminBody } from "./parse-admin-body.ts";

/** POST /v1/uploads */
export function createUploadRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId, files } = await filesCaller(context, deps);
    const wanted = await parseAdminBody(context.req.raw, newUpload);
    const createdAtMs = deps.clock.nowMs();
    const expired = { nowMs: createdAtMs, countMax: limits.OPEN_UPLOADS_MAX };
    await deletePieces(files, await dropExpiredUploads(deps.controlDb, tenantId, expired));
    const upload: Upload = {
      id: newId("upload", deps.clock, deps.random),
      tenantId,
      fileName: wanted.filename,
      byteCount: wanted.bytes,
      createdAtMs,
      expiresAtMs: createdAtMs + limits.UPLOAD_LIFE_MS,
      fileLifeMs: lifeMsOf(wanted.expires_after),
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
    const { files, upload } = await ownUpload(context, deps);
    const { file } = await readForm(context.req.raw, { file: "data", texts: [] });
    const arrived = await arrivedOf(deps.controlDb, upload.id);
    const leftBytes = upload.byteCount - arrived.bytes;
    if (file.size < 1 || file.size > leftBytes || arrived.count >= limits.UPLOAD_PIECES_MAX) {
      const message = `The part has ${file.size} bytes; ${leftBytes} are missing, in at most ${limits.UPLOAD_PIECES_MAX} parts.`;
      throw new AppError("invalid_value", message, { param: "data" });
    }
    const createdAtMs = deps.clock.nowMs();
    const id = newId("part", deps.clock, deps.random);
    await files.put({ kind: "file-parts", id }, file.stream(), file.size);
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
    const { files, upload } = await ownUpload(context, deps);
    const { part_ids: partIds } = await parseAdminBody(context.req.raw, completedUpload);
    const { tenantId, byteCount, fileName, fileLifeMs } = upload;
    await checkParts(deps, upload, partIds);
    const id = newId("file", deps.clock, deps.random);
    const createdAtMs = deps.clock.nowMs();
    const expiresAtMs = createdAtMs + fileLifeMs;
    const named = { id, tenantId, purpose: "batch", fileName } as const;
    const file: StoredFile = { ...named, byteCount, createdAtMs, expiresAtMs };
    await files.put({ kind: "files", id }, joined(files, partIds), byteCount);
    await registerFile(deps, files, file);
    await deletePieces(files, await dropUpload(deps.controlDb, upload.id));
    return Response.json(uploadBody(upload, { status: "completed", file }));
  };
}

/** POST /v1/uploads/{upload}/cancel */
export function cancelUploadRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { files, upload } = await ownUpload(context, deps);
    await deletePieces(files, await dropUpload(deps.controlDb, upload.id));
    return Response.json(uploadBody(upload, { status: "cancelled" }));
  };
}

async function ownUpload(
  context: EdgeContext,
  deps: EdgeDependencies,
): Promise<FilesCaller & { readonly upload: Upload }> {
  const caller = await filesCaller(context, deps);
  const { tenantId } = caller;
  const uploadId = context.req.param("upload") ?? "";
  const own = { tenantId, uploadId };
  const nowMs = deps.clock.nowMs();
  const upload = isId("upload", uploadId)
    ? await findUpload(deps.controlDb, own, nowMs)
    : undefined;
  if (upload !== undefined) return { ...caller, upload };
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

async function* joined(files: SealedFiles, partIds: readonly string[]) {
  for (const id of partIds) {
    const part = await files.get({ kind: "file-parts", id });
    if (part === undefined) {
      throw new AppError("invalid_value", "A part of the upload is gone.", { param: "part_ids" });
    }
    yield* part.body;
  }
}

async function deletePieces(files: SealedFiles, pieceIds: readonly string[]): Promise<void> {
  for (let from = 0; from < pieceIds.length; from += limits.BUCKET_DELETE_ENTRIES_MAX) {
    const some = pieceIds.slice(from, from + limits.BUCKET_DELETE_ENTRIES_MAX);
    await files.delete(some.map((id) => ({ kind: "file-parts", id })));
  }
}
