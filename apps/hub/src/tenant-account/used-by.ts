// Owns what a settled request took of its tenant's limits: the correction of what was taken at its admission.
import type { LedgerEntry } from "@fairlane/ledger";
import type { AccountLimits } from "./account-limits.ts";

/** @param bootMs the account's start: what was received before may be held by its cover only */
export function usedBy(entry: LedgerEntry, bootMs: number): Parameters<AccountLimits["settle"]>[0] {
  const { requestId, projectId, keyId, attempt, receivedAtMs, billedNanoUsd } = entry;
  // What was computed twice counts once.
  const positions = entry.computedPromptTokens + entry.computedCachedTokens;
  const inputTokens = Math.min(entry.promptTokens, positions);
  const outputTokens = entry.computedOutputTokens;
  return {
    requestId,
    attempt,
    caller: { projectId, keyId },
    units: { requests: 1, tokens: inputTokens + outputTokens, inputTokens, outputTokens },
    nanoUsd: billedNanoUsd,
    mayBeOrphan: attempt === 1 && receivedAtMs <= bootMs,
  };
}
