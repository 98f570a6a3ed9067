// Owns the types between edge and BatchRun, which runs one batch, and the ids of a batch's requests. Plain data only: it
// crosses isolates. Invariant: the id of a request says whether it is a batch's, and so at which price class it is billed.
import type { ApiKeyClaim } from "../credentials/api-key-text.ts";

/** What the lines of a batch may ask for. */
export const BATCH_ENDPOINTS = [
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/embeddings",
] as const;
export type BatchEndpoint = (typeof BATCH_ENDPOINTS)[number];

/** A batch as the edge hands it over; it never changes. */
export interface BatchSpec {
  readonly batchId: string;
  /** Whose lines are admitted one by one, so that a revoked key ends them. */
  readonly claim: ApiKeyClaim;
  readonly clientIp: string | undefined;
  readonly region: string;
  readonly endpoint: BatchEndpoint;
  readonly inputFileId: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** How long its files are kept once they are written; absent (in batches from before) = FILE_KEPT_MS. */
  readonly outputLifeMs?: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export type BatchStatus =
  | "validating"
  | "in_progress"
  | "finalizing"
  | "completed"
  | "failed"
  | "expired"
  | "cancelling"
  | "cancelled";

/** A batch as it is now. */
export interface BatchView {
  readonly spec: BatchSpec;
  readonly status: BatchStatus;
  /** When it came into a status, by status. */
  readonly reachedAtMs: Readonly<Partial<Record<BatchStatus, number>>>;
  readonly totalCount: number;
  readonly completedCount: number;
  readonly failedCount: number;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  /** Why the whole failed. */
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** The RPC surface of BatchRun. */
export interface BatchRunRpc {
  /** Begins the batch; the same again changes nothing. */
  begin(spec: BatchSpec): Promise<BatchView>;
  /** Null for one that was never begun. */
  view(): Promise<BatchView | null>;
  /** Starts nothing new; what runs is finished and kept. */
  cancel(): Promise<BatchView | null>;
  /** Forgets the batch, its lines and who asked for it; what runs ends unseen. */
  erase(): Promise<void>;
}

const REQUEST_ID = /^batch_[0-9a-z]{26}-[0-9]{1,9}-[0-9]{1,9}$/;

/** The id of one try of a line: the same after a restart, so that no try is billed twice. */
export function batchRequestId(batchId: string, lineIndex: number, tryIndex: number): string {
  return `${batchId}-${lineIndex}-${tryIndex}`;
}

/** True for the id of a batch's request. */
export function isBatchRequestId(text: string): boolean {
  return REQUEST_ID.test(text);
}
