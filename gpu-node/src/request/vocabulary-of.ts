// Owns what of a tokenizer grammars get to know.
import type { Vocabulary } from "../grammar/vocabulary.ts";
import type { Tokenizer } from "../tokenize/tokenizer.ts";

/** The first `size` ids, as many as the model has embeddings; those without a token have no bytes. */
export function vocabularyOf(
  tokenizer: Pick<Tokenizer, "tokenBytes" | "specialIds">,
  { size, shownIds }: { readonly size: number; readonly shownIds: ReadonlySet<number> },
): Vocabulary {
  const parts = Array.from({ length: size }, (_, token) => tokenizer.tokenBytes(token));
  const starts = new Int32Array(size + 1);
  for (const [token, bytes] of parts.entries()) {
    starts[token + 1] = (starts[token] ?? 0) + bytes.length;
  }
  const bytes = new Uint8Array(starts[size] ?? 0);
  for (const [token, part] of parts.entries()) bytes.set(part, starts[token]);
  // Control tokens that calls are written with stand for their spelling.
  const excludedIds = [...tokenizer.specialIds].filter((id) => !shownIds.has(id));
  return { size, bytes, starts, excludedIds };
}
