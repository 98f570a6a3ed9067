// Owns reading a stored response: both of its objects, and only for the project whose key made it. A response of another
// project or tenant reads like one that is not there.
import {
  AppError,
  isResponseId,
  storedNames,
  type Principal,
  type StoredAnswer,
  type StoredInput,
} from "@fairlane/protocol";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { fromStore, retainedOf } from "./retained-of.ts";

export interface StoredResponse {
  readonly answer: StoredAnswer;
  readonly input: StoredInput;
}

/** The response, or undefined when the caller has none of this id. */
export async function storedResponse(
  context: EdgeContext,
  deps: EdgeDependencies,
  wanted: { readonly principal: Principal; readonly id: string },
): Promise<StoredResponse | undefined> {
  const { principal, id } = wanted;
  if (!isResponseId(id)) return undefined;
  const store = retainedOf(deps, principal);
  const nowMs = deps.clock.nowMs();
  const names = storedNames(id);
  const read = (name: string) => store.get({ kind: "response", id: name }, nowMs);
  const [answerText, inputText] = await fromStore(
    context,
    Promise.all([read(names.answer), read(names.input)]),
  );
  if (answerText === undefined || inputText === undefined) return undefined;
  // Sealed by ourselves, so its form is known.
  const answer = JSON.parse(answerText) as StoredAnswer;
  const input = JSON.parse(inputText) as StoredInput;
  const isOwn = answer.projectId === principal.projectId && input.projectId === principal.projectId;
  return isOwn ? { answer, input } : undefined;
}

/** Upper bound of what a response and those before it take in a prompt; undefined when there is none of this id. */
export async function storedTokensMax(
  context: EdgeContext,
  deps: EdgeDependencies,
  wanted: { readonly tenantId: string; readonly id: string },
): Promise<number | undefined> {
  if (!isResponseId(wanted.id)) return undefined;
  const store = retainedOf(deps, wanted);
  const nowMs = deps.clock.nowMs();
  const names = storedNames(wanted.id);
  const sizeOf = (name: string) => store.tokensMaxOf({ kind: "response", id: name }, nowMs);
  const [ofAnswer, ofInput] = await fromStore(
    context,
    Promise.all([sizeOf(names.answer), sizeOf(names.input)]),
  );
  return ofAnswer === undefined || ofInput === undefined ? undefined : ofAnswer + ofInput;
}

/** The caller, and the response that the path names; throws `not_found`. */
export async function requireStored(context: EdgeContext, deps: EdgeDependencies) {
  const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);
  const principal = await admit(context, deps, { claim, scope: "inference", hold: null });
  const id = context.req.param("response") ?? "";
  const stored = await storedResponse(context, deps, { principal, id });
  if (stored) return { principal, stored, id };
  const shown = isResponseId(id) ? `'${id}'` : "of this id";
  throw new AppError("not_found", `Response ${shown} not found.`, { param: "response_id" });
}
