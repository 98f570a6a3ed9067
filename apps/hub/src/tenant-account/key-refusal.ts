// Owns the one decision whether a key may do what is asked: its time, its scopes, its lists. A list that is there
// and cannot be checked refuses. Invariant: reads only; the order is what a caller may learn.
import type { AccountKey, AdmitInput, ErrorCode, ErrorValue } from "@fairlane/protocol";
import { isInRanges } from "./ip-ranges.ts";

/** Why a known, living key is not enough for this, or undefined when it is. */
export function keyRefusal(
  key: AccountKey,
  input: Pick<AdmitInput, "scope" | "clientIp" | "wanted" | "hold">,
  nowMs: number,
): ErrorValue | undefined {
  if (key.expiresAtMs !== null && key.expiresAtMs <= nowMs) {
    return refused("api_key_expired", "The API key has expired.");
  }
  if (key.graceUntilMs !== null && key.graceUntilMs <= nowMs) {
    return refused("api_key_expired", "The API key was rotated and its grace time is over.");
  }
  const { allowedIps } = key;
  if (allowedIps !== null && !isInRanges(input.clientIp, allowedIps)) {
    const from = input.clientIp ?? "an unknown address";
    return refused("ip_not_allowed", `The API key may not be used from ${from}.`);
  }
  if (input.scope !== null && !key.scopes.includes(input.scope)) {
    return refused("scope_not_allowed", `The API key lacks the scope '${input.scope}'.`);
  }
  return listRefusal(key, input);
}

function listRefusal(
  key: AccountKey,
  { hold, wanted }: Pick<AdmitInput, "hold" | "wanted">,
): ErrorValue | undefined {
  // What computes nothing uses no model.
  if (wanted === undefined && hold === null) return undefined;
  const { allowedModels, allowedAdapters } = key;
  if (allowedModels !== null && (wanted === undefined || !allowedModels.includes(wanted.model))) {
    const message =
      wanted === undefined
        ? "The API key may use some models only: name one in 'model'."
        : `The API key may not use the model '${wanted.model}'.`;
    return refused("model_not_allowed", message, "model");
  }
  const adapterId = wanted?.adapter?.id;
  if (adapterId === undefined || allowedAdapters === null) return undefined;
  if (allowedAdapters.includes(adapterId)) return undefined;
  return refused(
    "adapter_not_allowed",
    `The API key may not use the adapter '${adapterId}'.`,
    "model",
  );
}

function refused(code: ErrorCode, message: string, param: string | null = null): ErrorValue {
  return { code, message, param };
}
