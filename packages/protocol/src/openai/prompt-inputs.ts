// Owns the four shapes that OpenAI has for plain text as input: a text, the token ids of one, and lists of either.
import { z } from "zod";
import { INPUT_TOKENS_MAX, TOKEN_ID_MAX } from "../limits.ts";

/** One input: a text, or the token ids of one. */
export type TextInput = string | readonly number[];

/** The schemas for at most so many inputs. */
export function inputSchemas(inputsMax: number) {
  const text = z.string().min(1);
  const tokens = z.array(z.int().min(0).max(TOKEN_ID_MAX)).min(1).max(INPUT_TOKENS_MAX);
  const texts = z.array(text).min(1).max(inputsMax);
  const tokenLists = z.array(tokens).min(1).max(inputsMax);
  return {
    any: z.union([text, tokens, texts, tokenLists]),
    /** The one shape that a value was meant as, so that an error says what is wrong in it and not that it is none of four. */
    of(input: unknown) {
      if (!Array.isArray(input)) return text;
      const first: unknown = input[0];
      if (typeof first === "number") return tokens;
      return Array.isArray(first) ? tokenLists : texts;
    },
  };
}

/** The inputs one by one, in their order. */
export function inputsOf(
  input: string | readonly number[] | readonly string[] | readonly (readonly number[])[],
): readonly TextInput[] {
  if (typeof input === "string") return [input];
  const [first] = input;
  return typeof first === "number" ? [input as readonly number[]] : (input as readonly TextInput[]);
}
