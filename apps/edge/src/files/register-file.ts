// Owns entering a file whose content has been stored: what cannot be entered is not kept.
import { createFile, type SealedFiles, type StoredFile } from "@fairlane/db";
import { AppError } from "@fairlane/protocol";
import type { EdgeDependencies } from "../edge-context.ts";
import { FILES_PER_TENANT_MAX } from "../limits.ts";

/** Enters the file; throws AppError `too_many_files`, and the content is gone then. */
export async function registerFile(
  deps: EdgeDependencies,
  files: SealedFiles,
  file: StoredFile,
): Promise<StoredFile> {
  if (await createFile(deps.controlDb, file, FILES_PER_TENANT_MAX)) return file;
  await files.delete([{ kind: "files", id: file.id }]);
  const message = `A tenant may have ${FILES_PER_TENANT_MAX} files. Delete some first.`;
  throw new AppError("too_many_files", message);
}

/** Throws AppError unless files for this purpose are served. */
export function checkPurpose(purpose: string | undefined): void {
  if (purpose === "batch") return;
  if (purpose === undefined) {
    throw new AppError("missing_required_parameter", "Missing required parameter: 'purpose'.", {
      param: "purpose",
    });
  }
  throw new AppError("invalid_value", "The only purpose that is served is 'batch'.", {
    param: "purpose",
  });
}
