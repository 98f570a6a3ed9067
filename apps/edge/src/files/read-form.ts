// Owns reading a multipart/form-data body: bounded in bytes before it is parsed, since the parser keeps all of it in memory;
// the fields that a route knows and no others.
import { AppError } from "@fairlane/protocol";
import { FILE_FORM_BYTES_MAX, FILE_FORM_OVERHEAD_BYTES } from "../limits.ts";

export interface FormFields {
  readonly file: File;
  readonly texts: ReadonlyMap<string, string>;
}

/** @param names.file the field of bytes; @param names.texts all others. Throws AppError. */
export async function readForm(
  request: Request,
  names: { readonly file: string; readonly texts: readonly string[] },
): Promise<FormFields> {
  const form = await parseForm(request);
  const texts = new Map<string, string>();
  let file: File | undefined;
  for (const [name, value] of form) {
    if (name === names.file && typeof value !== "string") file = value;
    else if (names.texts.includes(name) && typeof value === "string") texts.set(name, value);
    else throw new AppError("unknown_parameter", "The form has a field that is not known here.");
  }
  if (file === undefined) {
    const message = `Missing required parameter: '${names.file}'.`;
    throw new AppError("missing_required_parameter", message, { param: names.file });
  }
  if (file.size <= FILE_FORM_BYTES_MAX) return { file, texts };
  throw tooLarge();
}

async function parseForm(request: Request): Promise<FormData> {
  const bytesMax = FILE_FORM_BYTES_MAX + FILE_FORM_OVERHEAD_BYTES;
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) throw tooLarge();
  const contentType = request.headers.get("content-type") ?? "";
  if (!contentType.toLowerCase().startsWith("multipart/form-data")) {
    throw new AppError("invalid_value", "Expected a body of the type multipart/form-data.");
  }
  let arrivedBytes = 0;
  const bounded = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      arrivedBytes += chunk.byteLength;
      if (arrivedBytes > bytesMax) controller.error(new Error("too large"));
      else controller.enqueue(chunk);
    },
  });
  const body = (request.body as ReadableStream<Uint8Array> | null)?.pipeThrough(bounded) ?? null;
  try {
    const headers = { "content-type": contentType };
    return await new Response(body, { headers }).formData();
  } catch {
    // The parser's message may quote the body.
    if (arrivedBytes > bytesMax) throw tooLarge();
    throw new AppError("invalid_value", "The multipart/form-data body could not be parsed.");
  }
}

function tooLarge(): AppError {
  const message = `A body may hold ${FILE_FORM_BYTES_MAX} bytes of a file. Send larger ones in parts, to /v1/uploads.`;
  return new AppError("request_too_large", message, { param: "file" });
}
