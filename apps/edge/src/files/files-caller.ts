// Owns letting a caller at the content of its tenant's files: the key that opens it comes with the authorisation.
import { SealedFiles } from "@fairlane/db";
import { AppError } from "@fairlane/protocol";
import { authorize } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";

export interface FilesCaller {
  readonly tenantId: string;
  readonly files: SealedFiles;
}

/** The verified caller with the scope `files`; throws the refusal. */
export async function filesCaller(
  context: EdgeContext,
  deps: EdgeDependencies,
): Promise<FilesCaller> {
  const { caller, filesKey } = await authorize(context, deps, "files");
  // A hub from before this edge: the hub is deployed first.
  if (filesKey === undefined) throw new AppError("internal_error", "The account gave no key.");
  const { tenantId } = caller;
  const { artifacts: bucket } = deps.config;
  const lengthStream = (bytes: number) => new FixedLengthStream(bytes);
  const options = { bucket, tenantId, key: filesKey, random: deps.random, lengthStream };
  return { tenantId, files: new SealedFiles(options) };
}
