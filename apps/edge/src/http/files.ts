// OpenAI's files: POST, GET and DELETE under /v1/files. A file belongs to the tenant; its content is stored as it came.
import { isId, newId } from "@fairlane/base";
import { deleteFile, findFile, listFiles, type StoredFile } from "@fairlane/db";
import { AppError, protocolLimits } from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { fileBody, fileKey } from "../files/file-body.ts";
import { readForm } from "../files/read-form.ts";
import { checkPurpose, registerFile } from "../files/register-file.ts";
import { fileQuery } from "./file-fields.ts";
import { parseQuery } from "./parse-query.ts";
import { tenantCaller } from "./tenant-caller.ts";

/** POST /v1/files */
export function createFileRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "files");
    const { file, texts } = await readForm(context.req.raw, { file: "file", texts: ["purpose"] });
    checkPurpose(texts.get("purpose"));
    const row: StoredFile = {
      id: newId("file", deps.clock, deps.random),
      tenantId,
      purpose: "batch",
      fileName: file.name.slice(0, protocolLimits.NAME_CHARS_MAX),
      byteCount: file.size,
      createdAtMs: deps.clock.nowMs(),
    };
    const key = fileKey(tenantId, row.id);
    await deps.config.artifacts.put(key, await file.arrayBuffer());
    return Response.json(fileBody(await registerFile(deps, row)));
  };
}

/** GET /v1/files */
export function listFilesRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "files");
    const { purpose, after, order, limit } = parseQuery(context, fileQuery);
    const page = { purpose, after, isNewestFirst: order === "desc", countMax: limit + 1 };
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
    Response.json(fileBody(await ownFile(context, deps)));
}

/** GET /v1/files/{file}/content */
export function readFileRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId, id } = await ownFile(context, deps);
    const object = await deps.config.artifacts.get(fileKey(tenantId, id));
    if (object === null) throw unknownFile();
    const headers = {
      "content-type": "application/octet-stream",
      "content-length": String(object.size),
      "cache-control": "no-store",
    };
    return new Response(object.body as ReadableStream, { headers });
  };
}

/** DELETE /v1/files/{file} */
export function deleteFileRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId, id } = await ownFile(context, deps);
    // The content first: what fails half-way is still listed and can be deleted again.
    await deps.config.artifacts.delete(fileKey(tenantId, id));
    await deleteFile(deps.controlDb, tenantId, id);
    return Response.json({ id, object: "file", deleted: true });
  };
}

async function ownFile(context: EdgeContext, deps: EdgeDependencies): Promise<StoredFile> {
  const { tenantId } = await tenantCaller(context, deps, "files");
  const fileId = context.req.param("file") ?? "";
  const file = isId("file", fileId) ? await findFile(deps.controlDb, tenantId, fileId) : undefined;
  if (file === undefined) throw unknownFile();
  return file;
}

function unknownFile(): AppError {
  return new AppError("not_found", "You have no file with this id.", { param: "file" });
}
