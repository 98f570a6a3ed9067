// The routes of files, and of uploads in parts.
import type { EdgeDependencies } from "../edge-context.ts";
import { completedUpload, fileQuery, newUpload } from "../http/file-fields.ts";
import {
  createFileRoute,
  deleteFileRoute,
  listFilesRoute,
  readFileRoute,
  retrieveFileRoute,
} from "../http/files.ts";
import {
  addUploadPartRoute,
  cancelUploadRoute,
  completeUploadRoute,
  createUploadRoute,
} from "../http/uploads.ts";
import type { Route } from "./route.ts";

const access = { scope: "files" } as const;
const tag = "Files";

export function fileRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/files",
      access,
      docs: { summary: "Upload a file as multipart/form-data", tag },
      handler: createFileRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/files",
      access,
      docs: { summary: "List files", tag, query: fileQuery },
      handler: listFilesRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/files/:file",
      access,
      docs: { summary: "Describe a file", tag },
      handler: retrieveFileRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/files/:file/content",
      access,
      docs: { summary: "Read a file", tag },
      handler: readFileRoute(deps),
    },
    {
      method: "DELETE",
      path: "/v1/files/:file",
      access,
      docs: { summary: "Delete a file", tag },
      handler: deleteFileRoute(deps),
    },
    ...uploadRoutes(deps),
  ];
}

function uploadRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/uploads",
      access,
      docs: { summary: "Begin a file in parts", tag, body: newUpload },
      handler: createUploadRoute(deps),
    },
    {
      method: "POST",
      path: "/v1/uploads/:upload/parts",
      access,
      docs: { summary: "Send a part as multipart/form-data", tag },
      handler: addUploadPartRoute(deps),
    },
    {
      method: "POST",
      path: "/v1/uploads/:upload/complete",
      access,
      docs: { summary: "Make a file of the parts", tag, body: completedUpload },
      handler: completeUploadRoute(deps),
    },
    {
      method: "POST",
      path: "/v1/uploads/:upload/cancel",
      access,
      docs: { summary: "Give an upload up", tag },
      handler: cancelUploadRoute(deps),
    },
  ];
}
