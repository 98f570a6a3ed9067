// OpenAI's files: POST, GET and DELETE under /v1/files. A file belongs to the tenant; its content is
// sealed under a key of the tenant's, and absent after its time.
import { isId, newId } from "@fairlane/base";
import { deleteFile, findFile, listFiles, type StoredFile } from "@fairlane/db";
import { AppError, protocolLimits } from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { EXPIRY_FIELDS, formLifeMs } from "../files/expiry.ts";
import { fileBody } from "../files/file-body.ts";
import { filesCaller, type FilesCaller } from "../files/files-caller.ts";
import { readForm } from "../files/read-form.ts";
import { checkPurpose, registerFile } from "../files/register-file.ts";
import { fileQuery } from "./file-fields.ts";
import { parseQuery } from "./parse-query.ts";
import { tenantCaller } from "./tenant-caller.ts";

/** POST /v1/files */
export function createFileRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId, files } = await filesCaller(context, deps);
    const names = { file: "file", texts: ["purpose", ...EXPIRY_FIELDS] };
    const { file, texts } = await readForm(context.req.raw, names);
    checkPurpose(texts.get("purpose"));
    const createdAtMs = deps.clock.nowMs();
    const row: StoredFile = {
      id: newId("file", deps.clock, deps.random),
      tenantId,
      purpose: "batch",
      fileName: file.name.slice(0, protocolLimits.NAME_CHARS_MAX),
      byteCount: file.size,
      createdAtMs,
      expiresAtMs: createdAtMs + formLifeMs(texts),
    };
    await files.put({ kind: "files", id: row.id }, file.stream(), file.size);
    return Response.json(fileBody(await registerFile(deps, files, row)));
  };
}

/** GET /v1/files */
export function listFilesRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "files");
    const { purpose, after, order, limit } = parseQuery(context, fileQuery);
    const nowMs = deps.clock.nowMs();
    const page = { purpose, after, isNewestFirst: order === "desc", countMax: limit + 1, nowMs };
    const found = await listFiles(deps.controlDb, tenantId, page);
    const data = found.slice(0, limit).map(fileBody);
    return Response.json({
      object: "list",
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: found.length > data.length,
    });
  };
}

/** GET /v1/files/{file} */
export function retrieveFileRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> =>
    Response.json(fileBody((await ownFile(context, deps)).file));
}

/** GET /v1/files/{file}/content */
export function readFileRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { files, file } = await ownFile(context, deps);
    const content = await files.get({ kind: "files", id: file.id });
    if (content === undefined) throw unknownFile();
    const headers = {
      "content-type": "application/octet-stream",
      "content-length": String(content.clearBytes),
      "cache-control": "no-store",
    };
    const sized = new FixedLengthStream(content.clearBytes);
    return new Response(content.body.pipeThrough(sized), { headers });
  };
}

/** DELETE /v1/files/{file} */
export function deleteFileRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId, files, file } = await ownFile(context, deps);
    const { id } = file;
    // The content first: what fails half-way is still listed and can be deleted again.
    await files.delete([{ kind: "files", id }]);
    await deleteFile(deps.controlDb, tenantId, id);
    return Response.json({ id, object: "file", deleted: true });
  };
}

async function ownFile(
  context: EdgeContext,
  deps: EdgeDependencies,
): Promise<FilesCaller & { readonly file: StoredFile }> {
  const caller = await filesCaller(context, deps);
  const own = { tenantId: caller.tenantId, fileId: context.req.param("file") ?? "" };
  const nowMs = deps.clock.nowMs();
  const file = isId("file", own.fileId) ? await findFile(deps.controlDb, own, nowMs) : undefined;
  if (file === undefined) throw unknownFile();
  return { ...caller, file };
}

function unknownFile(): AppError {
  return new AppError("not_found", "You have no file with this id.", { param: "file" });
}
