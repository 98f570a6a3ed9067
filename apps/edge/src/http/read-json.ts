// Owns reading a JSON body within a byte bound. Like OpenAI's API it trusts the bytes, not the content type:
// `curl -d` sends a form's type with JSON. Errors never quote the body.
import { err, ok, type Result } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** The decoded body, or what is wrong with it. */
export async function readJson(
  request: Request,
  bytesMax: number,
): Promise<Result<unknown, ErrorValue>> {
  const bytes = await readBytes(request, bytesMax);
  if (!bytes.ok) return bytes;
  let text: string;
  try {
    text = decoder.decode(bytes.value);
  } catch {
    return invalidJson("The request body is not valid UTF-8.");
  }
  if (text.trim() === "") return invalidJson("The request body is empty. Expected a JSON object.");
  try {
    return ok(JSON.parse(text) as unknown);
  } catch {
    // The exception's message quotes the body, so it is not passed on.
    return invalidJson("The request body could not be parsed as JSON.");
  }
}

/** The body's bytes, or why there are none. */
export async function readBytes(
  request: Request,
  bytesMax: number,
): Promise<Result<Uint8Array, ErrorValue>> {
  const tooLarge = err<ErrorValue>({
    code: "request_too_large",
    message: `The request body is larger than ${bytesMax} bytes.`,
    param: null,
  });
  const told = request.headers.get("content-length");
  if (Number(told ?? 0) > bytesMax) return tooLarge;
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  try {
    // A body of a told length is never longer than that; one without is counted as it comes.
    if (told !== null) return ok(new Uint8Array(await request.arrayBuffer()));
    if (request.body === null) return ok(new Uint8Array(0));
    for await (const chunk of request.body as ReadableStream<Uint8Array>) {
      byteCount += chunk.byteLength;
      if (byteCount > bytesMax) return tooLarge;
      chunks.push(chunk);
    }
  } catch {
    const message = "The connection was lost before the whole request body arrived.";
    return err({ code: "client_closed_request", message, param: null });
  }
  return ok(joined(chunks, byteCount));
}

function joined(chunks: readonly Uint8Array[], byteCount: number): Uint8Array {
  const whole = new Uint8Array(byteCount);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

function invalidJson(message: string): Result<never, ErrorValue> {
  return err({ code: "invalid_json", message, param: null });
}
