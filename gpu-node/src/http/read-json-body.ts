// Owns the way from a request's bytes to a JSON value: bounded before and while reading, strictly UTF-8. What was in
// the body never shows up in an error message.
import type { IncomingMessage } from "node:http";
import { AppError, protocolLimits } from "@fairlane/protocol";

const BYTES_MAX = protocolLimits.BODY_BYTES_MAX;

/** Reads and parses the body; throws AppError. Rejects with the socket's error when the client goes away. */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    throw new AppError("invalid_json", "The body has a content-encoding; send it uncompressed.");
  }
  const bytes = await readBytes(request);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new AppError("invalid_json", "The body is not valid UTF-8.");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new AppError(
      "invalid_json",
      "We could not parse the JSON body of your request. The API expects a JSON object.",
    );
  }
}

async function readBytes(request: IncomingMessage): Promise<Uint8Array> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > BYTES_MAX) throw tooLarge(`has ${declared} bytes`);
  const chunks: Buffer[] = [];
  let byteCount = 0;
  // Not destroyed on the way out: the client has to be able to read why.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const bytes = chunk as Buffer;
    byteCount += bytes.length;
    if (byteCount > BYTES_MAX) throw tooLarge("goes on after that");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function tooLarge(what: string): AppError {
  return new AppError("request_too_large", `The body may have ${BYTES_MAX} bytes, yours ${what}.`);
}
