// Owns the way of a plain input, text or token ids, to tokens of the model that leave room in its context.
import { err, ok, type Result } from "@fairlane/base";
import type { ErrorValue, TextInput } from "@fairlane/protocol";
import type { ServedModel } from "./prepare-request.ts";

/**
 * The tokens; of a text as the model wants one that stands alone, without a template. The error names `param`.
 */
export async function tokensOf(
  input: TextInput,
  param: string,
  model: ServedModel,
): Promise<Result<Int32Array, ErrorValue>> {
  const { contextTokens, tokenBytesMax, vocabSize } = model;
  // Far too long a text is refused without the seconds that tokenising it would take.
  const atLeast =
    typeof input === "string"
      ? Buffer.byteLength(input.normalize("NFC")) / tokenBytesMax
      : input.length;
  if (atLeast >= contextTokens)
    return err(tooLong(`at least ${Math.floor(atLeast)}`, param, model));
  const tokens = typeof input === "string" ? await model.encodeText(input) : Int32Array.from(input);
  if (tokens.length === 0) {
    return err({
      code: "invalid_value",
      message: `Invalid '${param}': the text has no tokens.`,
      param,
    });
  }
  if (tokens.length >= contextTokens) return err(tooLong(String(tokens.length), param, model));
  const stray = tokens.find((token) => token >= vocabSize);
  if (stray === undefined) return ok(tokens);
  const message = `Invalid '${param}': the model has the tokens 0 to ${vocabSize - 1}, not ${stray}.`;
  return err({ code: "invalid_value", message, param });
}

function tooLong(tokens: string, param: string, { contextTokens }: ServedModel): ErrorValue {
  const message = `This model's maximum context length is ${contextTokens} tokens. However, '${param}' has ${tokens} tokens. Please reduce it.`;
  return { code: "context_length_exceeded", message, param };
}
