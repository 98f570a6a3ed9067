// The routes of batches.
import type { EdgeDependencies } from "../edge-context.ts";
import {
  cancelBatchRoute,
  createBatchRoute,
  listBatchesRoute,
  retrieveBatchRoute,
} from "../http/batches.ts";
import { batchQuery, newBatch } from "../http/file-fields.ts";
import type { Route } from "./route.ts";

const access = { scope: "batches" } as const;
const tag = "Batches";

export function batchRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/batches",
      access,
      docs: {
        summary: "Run the requests of a file within a day, at a lower price",
        tag,
        body: newBatch,
      },
      handler: createBatchRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/batches",
      access,
      docs: { summary: "List batches, newest first", tag, query: batchQuery },
      handler: listBatchesRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/batches/:batch",
      access,
      docs: { summary: "Describe a batch", tag },
      handler: retrieveBatchRoute(deps),
    },
    {
      method: "POST",
      path: "/v1/batches/:batch/cancel",
      access,
      docs: { summary: "Run no more lines of a batch", tag },
      handler: cancelBatchRoute(deps),
    },
  ];
}
