// Owns the request schema of POST /v1/embeddings and the body that answers it. Unknown fields are refused as in chats.
import { err, ok, type Result } from "@fairlane/base";
import { z } from "zod";
import type { ErrorValue } from "../app-error.ts";
import { EMBEDDING_INPUTS_MAX, NAME_CHARS_MAX } from "../limits.ts";
import { errorOfIssues } from "./issues.ts";
import { inputSchemas, inputsOf, type TextInput } from "./prompt-inputs.ts";

const inputs = inputSchemas(EMBEDDING_INPUTS_MAX);

export const embeddingRequestSchema = z.strictObject({
  model: z.string().min(1).max(NAME_CHARS_MAX).optional(),
  input: inputs.any,
  encoding_format: z.enum(["float", "base64"]).nullish(),
  // Not OpenAI's: which hidden states become the embedding.
  pooling: z.enum(["last", "mean"]).nullish(),
  user: z.string().max(NAME_CHARS_MAX).optional(),
});

export type EmbeddingRequest = z.infer<typeof embeddingRequestSchema>;

/** Validates a decoded JSON body; the error names the first wrong field. */
export function parseEmbeddingRequest(body: unknown): Result<EmbeddingRequest, ErrorValue> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    const message = "Invalid body: expected a JSON object.";
    return err({ code: "invalid_type", message, param: null });
  }
  const { dimensions, ...rest } = body as Record<string, unknown>;
  if (dimensions !== undefined && dimensions !== null) {
    const message =
      "Unsupported parameter: 'dimensions' is not supported, embeddings have the model's size.";
    return err({ code: "unsupported_parameter", message, param: "dimensions" });
  }
  const schema = embeddingRequestSchema.extend({ input: inputs.of(rest["input"]) });
  const parsed = schema.safeParse(rest, { reportInput: true });
  return parsed.success ? ok(parsed.data) : err(errorOfIssues(parsed.error.issues));
}

/** The inputs one by one, in their order. */
export function embeddingInputs({ input }: EmbeddingRequest): readonly TextInput[] {
  return inputsOf(input);
}

interface EmbeddingItem {
  readonly object: "embedding";
  readonly index: number;
  readonly embedding: readonly number[] | string;
}

/** The answer's body; an embedding is a list of numbers or the base64 of little-endian f32. */
export function embeddingList(
  model: string,
  answer: {
    readonly embeddings: readonly (readonly number[] | string)[];
    readonly promptTokens: number;
  },
) {
  const { embeddings, promptTokens } = answer;
  const data: readonly EmbeddingItem[] = embeddings.map((embedding, index) => {
    return { object: "embedding", index, embedding };
  });
  return {
    object: "list",
    data,
    model,
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
  } as const;
}
