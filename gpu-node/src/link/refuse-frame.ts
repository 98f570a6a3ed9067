// Owns the frame with which the node says no: to a request it does not take, or to an answer it does not have.
import { errorSpec, type ErrorValue, type RefuseFrame } from "@fairlane/protocol";

/** The refusal of a request with the error that its client gets. */
export function refuseFrame(id: string, error: ErrorValue): RefuseFrame {
  const { code, message, param } = error;
  return { type: "refuse", id, status: errorSpec(code).status, code, message, param };
}

/** An answer that is not kept here, or not any more. */
export function notHere(id: string): RefuseFrame {
  const message = "The node does not have this answer, or not any more.";
  return refuseFrame(id, { code: "not_found", message, param: null });
}
