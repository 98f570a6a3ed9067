// Owns the request's response_format: free text, any JSON object, or values of a JSON schema. What a schema may say is
// the node's to judge, since it makes the grammar; here its size is bounded.
import { z } from "zod";
import { FUNCTION_NAME_CHARS_MAX, JSON_SCHEMA_CHARS_MAX } from "../limits.ts";

/** A JSON schema of bounded size, not looked into. */
export const jsonSchema = z
  .record(z.string(), z.unknown())
  .refine((schema) => JSON.stringify(schema).length <= JSON_SCHEMA_CHARS_MAX, {
    message: `a schema has at most ${JSON_SCHEMA_CHARS_MAX} characters`,
  });

/** OpenAI's rule for names of schemas and functions. */
export const functionName = z
  .string()
  .min(1)
  .max(FUNCTION_NAME_CHARS_MAX)
  .regex(/^[a-zA-Z0-9_-]+$/, { message: "only letters, digits, '_' and '-'" });

export const responseFormat = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    json_schema: z.strictObject({
      name: functionName,
      description: z.string().optional(),
      /** Absent: any object. */
      schema: jsonSchema.optional(),
      /** True: what the grammar cannot express is refused; otherwise it is left out of account. */
      strict: z.boolean().nullish(),
    }),
  }),
]);

export type ResponseFormat = z.infer<typeof responseFormat>;
