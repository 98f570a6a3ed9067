// Owns the making of requests for tests: every field has a plain value unless the test says otherwise.
import type { EngineRequest } from "../../engine/worker-messages.ts";
import { BlockTable } from "../../memory/block-table.ts";
import { joinRunning, type RunningRequest } from "../../request/request.ts";

export interface RequestFields extends Partial<Omit<EngineRequest, "promptTokens">> {
  readonly promptTokens?: readonly number[];
  /** Length of a prompt whose tokens do not matter. */
  readonly promptLength?: number;
}

/** A greedy request of tenant "ten_a" with four prompt tokens and eight of output at most. */
export function engineRequest(requestId: string, fields: RequestFields = {}): EngineRequest {
  const { promptTokens, promptLength = 4, ...rest } = fields;
  const prompt = promptTokens ?? Array.from({ length: promptLength }, (_, index) => index + 1);
  return {
    requestId,
    tenantId: "ten_a",
    weight: 1,
    tier: "interactive",
    maxOutputTokens: 8,
    stopTokenIds: [],
    sampling: { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 },
    receivedAtMs: 0,
    deadlineMs: Number.MAX_SAFE_INTEGER,
    ...rest,
    promptTokens: Int32Array.from(prompt),
  };
}

/** A running request in slot 0 with no pages, `computedPromptTokens` into its prompt. */
export function prefillingRequest(
  promptLength: number,
  computedPromptTokens = 0,
  tier: EngineRequest["tier"] = "interactive",
): RunningRequest {
  const spec = engineRequest("req_running", { promptLength, tier });
  const queued = { state: "queued", spec, outputTokensMax: 16, latestStartMs: 0 } as const;
  const place = { slot: 0, blocks: new BlockTable(16), scheduledAtMs: 0 };
  const plannedPrefillTokens = computedPromptTokens;
  return { ...joinRunning(queued, place), computedPromptTokens, plannedPrefillTokens };
}

/** A running request in slot 0 with no pages, its prompt computed and `outputTokens` sampled. */
export function decodingRequest(promptLength: number, outputTokens: number): RunningRequest {
  const prefilled = prefillingRequest(promptLength, promptLength);
  return { ...prefilled, state: "decoding", outputTokens, plannedOutputTokens: outputTokens };
}
