// Owns the way from a request's bytes to a JSON value: bounded before and while reading, each body and all together,
// strictly UTF-8. What was in the body never shows up in an error message.
import type { IncomingMessage } from "node:http";
import { assert } from "@fairlane/base";
import { AppError, protocolLimits } from "@fairlane/protocol";
import { BODIES_BYTES_MAX } from "./limits.ts";

const BYTES_MAX = protocolLimits.BODY_BYTES_MAX;

export class JsonBodyReader {
  readonly #bytesMax: number;
  #heldBytes = 0;

  /** @param bytesMax bytes of all bodies that are being read at once; only tests give it */
  constructor(bytesMax: number = BODIES_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Reads and parses a body; throws AppError. Rejects with the socket's error when the client goes away. */
  async read(request: IncomingMessage): Promise<unknown> {
    const encoding = request.headers["content-encoding"] ?? "identity";
    if (encoding !== "identity") {
      throw new AppError("invalid_json", "The body has a content-encoding; send it uncompressed.");
    }
    return parseJson(await this.#readBytes(request));
  }

  async #readBytes(request: IncomingMessage): Promise<Uint8Array> {
    const declared = Number(request.headers["content-length"] ?? 0);
    if (declared > BYTES_MAX) throw tooLarge(`has ${declared} bytes`);
    const chunks: Buffer[] = [];
    let byteCount = 0;
    try {
      // Not destroyed on the way out: the client has to be able to read why.
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        const bytes = chunk as Buffer;
        byteCount += bytes.length;
        this.#heldBytes += bytes.length;
        if (byteCount > BYTES_MAX) throw tooLarge("goes on after that");
        if (this.#heldBytes > this.#bytesMax) throw tooMany();
        chunks.push(bytes);
      }
      return Buffer.concat(chunks);
    } finally {
      this.#heldBytes -= byteCount;
      assert(this.#heldBytes >= 0, `${this.#heldBytes} bytes of bodies are held`);
    }
  }
}

function parseJson(bytes: Uint8Array): unknown {
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

function tooLarge(what: string): AppError {
  return new AppError("request_too_large", `The body may have ${BYTES_MAX} bytes, yours ${what}.`);
}

function tooMany(): AppError {
  const message = "The node reads too many large bodies at once. Please retry later.";
  return new AppError("overloaded", message, { retryAfterMs: 1_000 });
}
