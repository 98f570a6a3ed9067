// OpenAI's batches under /v1/batches: the edge checks what is asked and enters it; BatchRun in the hub script runs it, each
// line admitted like any request of the same key, at the lowest tier and at the batch price.
import { isId, newId } from "@fairlane/base";
import { createBatch, findBatch, findFile, listBatches } from "@fairlane/db";
import { AppError, type BatchRunRpc, type BatchSpec, type BatchView } from "@fairlane/protocol";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import { clientAddress } from "../auth/client-address.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { batchBody } from "../files/batch-body.ts";
import { lifeMsOf } from "../files/expiry.ts";
import { BATCH_LIFE_MS, BATCH_TIMEOUT_MS, RETRY_AFTER_MS } from "../limits.ts";
import { withTimeout } from "../with-timeout.ts";
import { batchQuery, newBatch } from "./file-fields.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { parseQuery } from "./parse-query.ts";
import { tenantCaller } from "./tenant-caller.ts";

/** POST /v1/batches */
export function createBatchRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { headers } = context.req.raw;
    const claim = await authenticate(headers, deps.config.keyPepper);
    const { tenantId } = await admit(context, deps, { claim, scope: "batches", hold: null });
    const wanted = await parseAdminBody(context.req.raw, newBatch);
    const createdAtMs = deps.clock.nowMs();
    const own = { tenantId, fileId: wanted.input_file_id };
    const file = await findFile(deps.controlDb, own, createdAtMs);
    if (file?.purpose !== "batch") {
      const message = "You have no file with this id and the purpose 'batch'.";
      throw new AppError("not_found", message, { param: "input_file_id" });
    }
    const spec: BatchSpec = {
      batchId: newId("batch", deps.clock, deps.random),
      claim,
      clientIp: clientAddress(headers, deps.config.clientAddress),
      region: deps.config.region,
      endpoint: wanted.endpoint,
      inputFileId: file.id,
      metadata: wanted.metadata ?? null,
      outputLifeMs: lifeMsOf(wanted.output_expires_after),
      createdAtMs,
      expiresAtMs: createdAtMs + BATCH_LIFE_MS,
    };
    // Entered first: one that was entered and never begun shows as not found; the other way round would run unseen.
    await createBatch(deps.controlDb, { id: spec.batchId, tenantId, createdAtMs });
    const view = await ask(context, deps, {
      batchId: spec.batchId,
      question: (run) => run.begin(spec),
    });
    return Response.json(batchBody(view));
  };
}

/** GET /v1/batches */
export function listBatchesRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { tenantId } = await tenantCaller(context, deps, "batches");
    const { after, limit } = parseQuery(context, batchQuery);
    const found = await listBatches(deps.controlDb, tenantId, { after, countMax: limit + 1 });
    const shown = found.slice(0, limit);
    const views = await Promise.all(
      shown.map(({ id }) => ask(context, deps, { batchId: id, question: (run) => run.view() })),
    );
    const data = views.filter((view) => view !== null).map(batchBody);
    return Response.json({
      object: "list",
      data,
      first_id: shown[0]?.id ?? null,
      last_id: shown.at(-1)?.id ?? null,
      has_more: found.length > shown.length,
    });
  };
}

/** GET /v1/batches/{batch} */
export function retrieveBatchRoute(deps: EdgeDependencies) {
  return (context: EdgeContext) => ownBatch(context, deps, (run) => run.view());
}

/** POST /v1/batches/{batch}/cancel */
export function cancelBatchRoute(deps: EdgeDependencies) {
  return (context: EdgeContext) => ownBatch(context, deps, (run) => run.cancel());
}

async function ownBatch(
  context: EdgeContext,
  deps: EdgeDependencies,
  question: (run: BatchRunRpc) => Promise<BatchView | null>,
): Promise<Response> {
  const { tenantId } = await tenantCaller(context, deps, "batches");
  const batchId = context.req.param("batch") ?? "";
  const row = isId("batch", batchId)
    ? await findBatch(deps.controlDb, tenantId, batchId)
    : undefined;
  const view = row === undefined ? null : await ask(context, deps, { batchId, question });
  if (view !== null) return Response.json(batchBody(view));
  throw new AppError("not_found", "You have no batch with this id.", { param: "batch" });
}

async function ask<T>(
  context: EdgeContext,
  deps: EdgeDependencies,
  asked: { readonly batchId: string; readonly question: (run: BatchRunRpc) => Promise<T> },
): Promise<T> {
  const run = deps.config.batches.getByName(asked.batchId);
  try {
    return await withTimeout(asked.question(run), BATCH_TIMEOUT_MS);
  } catch (error) {
    logFailure("batch_failed", context.get("requestId"), error);
    const message = "The batch cannot be asked at the moment; try again.";
    throw new AppError("storage_unavailable", message, { retryAfterMs: RETRY_AFTER_MS });
  }
}
