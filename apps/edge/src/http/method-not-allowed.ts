// Owns the answer to a method that an existing path does not take.
import type { EdgeContext } from "../edge-context.ts";
import { errorResponse } from "../errors/to-openai-error.ts";

/** @param allowed the methods it does take, as the `allow` header has them */
export function methodNotAllowed(allowed: string) {
  return (context: EdgeContext): Response => {
    const message = `${context.req.method} is not allowed on ${context.req.path}. Allowed: ${allowed}.`;
    const response = errorResponse({ code: "method_not_allowed", message, param: null });
    response.headers.set("allow", allowed);
    return response;
  };
}
