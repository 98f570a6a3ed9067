// Owns how files and uploads look in answers, as OpenAI has them.
import type { StoredFile, Upload } from "@fairlane/db";

/** A file. */
export function fileBody(file: StoredFile) {
  return {
    id: file.id,
    object: "file",
    bytes: file.byteCount,
    created_at: Math.floor(file.createdAtMs / 1_000),
    expires_at: Math.floor(file.expiresAtMs / 1_000),
    filename: file.fileName,
    purpose: file.purpose,
    status: "processed",
  } as const;
}

/** An upload. */
export function uploadBody(
  upload: Upload,
  state: { readonly status: "pending" | "completed" | "cancelled"; readonly file?: StoredFile },
) {
  return {
    id: upload.id,
    object: "upload",
    bytes: upload.byteCount,
    created_at: Math.floor(upload.createdAtMs / 1_000),
    expires_at: Math.floor(upload.expiresAtMs / 1_000),
    filename: upload.fileName,
    purpose: "batch",
    status: state.status,
    file: state.file === undefined ? null : fileBody(state.file),
  } as const;
}
