// Owns the names of fields in errors of POST /v1/responses: a node speaks of the chat that it computes, the client of
// its own request.
import { AppError, type ErrorBody } from "@fairlane/protocol";

const FIELDS: Readonly<Record<string, string>> = {
  messages: "input",
  response_format: "text.format",
  max_tokens: "max_output_tokens",
  max_completion_tokens: "max_output_tokens",
};

/** The answer with the client's names of fields in its error. */
export async function nameResponseFields(relayed: Promise<Response>): Promise<Response> {
  try {
    const answer = await relayed;
    if (answer.ok) return answer;
    const body = await answer.json<ErrorBody>();
    const error = { ...body.error, param: renamed(body.error.param) };
    return Response.json({ error }, { status: answer.status, headers: answer.headers });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw AppError.of({ ...error.value, param: renamed(error.value.param) });
  }
}

function renamed(param: string | null): string | null {
  if (param === null) return null;
  const [, head = "", rest = ""] = /^([^.[]*)(.*)$/s.exec(param) ?? [];
  return (FIELDS[head] ?? head) + (head === "messages" ? "" : rest);
}
