// Owns the making of engine requests for tests: every field has a plain value unless the test says otherwise.
import type { EngineRequest } from "../../engine/worker-messages.ts";

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
    deadlineMs: 1_000_000,
    ...rest,
    promptTokens: Int32Array.from(prompt),
  };
}
