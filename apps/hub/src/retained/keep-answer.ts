// Owns keeping a stored response's answer in R2 once there is no more of it. It never fails its request: an answer that
// could not be kept was still given and billed, and reading it back says that it is not there.
import { RetainedStore, retainedKeyOf } from "@fairlane/db";
import {
  answerItems,
  itemTokensMax,
  protocolLimits,
  responseIdOf,
  storedNames,
  type AnswerBody,
  type HubRequest,
} from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";
import { KEEP_ANSWER_TIMEOUT_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";

const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };

/** What keeps the answer of this request; undefined when it is not to be kept. */
export function answerKeeper(
  env: HubEnv,
  request: HubRequest,
  clock: { nowMs(): number },
): ((answer: AnswerBody) => Promise<void>) | undefined {
  if (request.answer?.kind !== "response" || !request.answer.retain) return undefined;
  const { requestId, tenantId, projectId } = request;
  const id = storedNames(responseIdOf(requestId)).answer;
  return async (answer) => {
    if (!("object" in answer) || answer.object !== "response") return;
    try {
      const key = await retainedKeyOf(hubConfig(env).saltSecret, tenantId);
      const store = new RetainedStore({ bucket: env.RETAINED, tenantId, key, random });
      const life = {
        nowMs: clock.nowMs(),
        ttlMs: protocolLimits.RESPONSE_KEPT_MS,
        tokensMax: itemTokensMax(answerItems(answer)),
      };
      const text = JSON.stringify({ projectId, response: answer });
      const isKept = await withTimeout(
        store.put({ kind: "response", id }, text, life),
        KEEP_ANSWER_TIMEOUT_MS,
      );
      if (!isKept) logEvent("warn", "answer_not_kept", { requestId, reason: "too large" });
    } catch (error) {
      logEvent("error", "answer_not_kept", { requestId, reason: reasonOf(error) });
    }
  };
}
