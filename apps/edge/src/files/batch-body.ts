// Owns how a batch looks in answers, as OpenAI has it.
import type { BatchStatus, BatchView } from "@fairlane/protocol";

const WINDOW = "24h";

/** A batch as it is now. */
export function batchBody(view: BatchView) {
  const { spec, failure } = view;
  const at = (status: BatchStatus) => seconds(view.reachedAtMs[status]);
  return {
    id: spec.batchId,
    object: "batch",
    endpoint: spec.endpoint,
    errors:
      failure === null ? null : { object: "list", data: [{ ...failure, line: null, param: null }] },
    input_file_id: spec.inputFileId,
    completion_window: WINDOW,
    status: view.status,
    output_file_id: view.outputFileId,
    error_file_id: view.errorFileId,
    created_at: seconds(spec.createdAtMs),
    in_progress_at: at("in_progress"),
    expires_at: seconds(spec.expiresAtMs),
    finalizing_at: at("finalizing"),
    completed_at: at("completed"),
    failed_at: at("failed"),
    expired_at: at("expired"),
    cancelling_at: at("cancelling"),
    cancelled_at: at("cancelled"),
    request_counts: {
      total: view.totalCount,
      completed: view.completedCount,
      failed: view.failedCount,
    },
    metadata: spec.metadata,
  } as const;
}

function seconds(timeMs: number | undefined): number | null {
  return timeMs === undefined ? null : Math.floor(timeMs / 1_000);
}
