// Owns the ids of tool calls. Invariant: an id is one that the model's own chat template takes back in the history.
import type { Random } from "@fairlane/base";
import type { ToolFormat } from "../grammar/tool-grammar.ts";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** Mistral's templates refuse any other length, and prefixes. */
const MISTRAL_ID_CHARS = 9;
const ID_CHARS = 24;

export function newCallId(format: ToolFormat, random: Random): string {
  const isMistral = format === "mistral";
  const bytes = random.fill(new Uint8Array(isMistral ? MISTRAL_ID_CHARS : ID_CHARS));
  const letters = Array.from(bytes, (byte) => LETTERS.charAt(byte % LETTERS.length)).join("");
  return isMistral ? letters : `call_${letters}`;
}
