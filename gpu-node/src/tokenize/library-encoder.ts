// Owns encoding by byte-level BPE, with @huggingface/tokenizers doing the splitting and merging: one instance that
// knows the control tokens and one that does not, over the same vocabulary.
import { Tokenizer as Library } from "@huggingface/tokenizers";
import type { TextEncoder, TextEncoderOptions } from "./text-encoder.ts";
import type { TokenizerDefinition } from "./tokenizer-source.ts";

const LIBRARY_CONFIG = { clean_up_tokenization_spaces: false };

export class LibraryEncoder implements TextEncoder {
  readonly #parsing: Library;
  readonly #plain: Library;

  constructor(definition: TokenizerDefinition) {
    this.#parsing = new Library(definition, LIBRARY_CONFIG);
    this.#plain = plainLibrary(definition, this.#parsing);
  }

  encode(text: string, options: TextEncoderOptions): readonly number[] {
    const library = options.parsesSpecial ? this.#parsing : this.#plain;
    return library.encode(text, { add_special_tokens: options.addsPromptTokens }).ids;
  }
}

/** A second tokenizer that knows no control tokens and shares the first one's vocabulary and merges. */
function plainLibrary(definition: TokenizerDefinition, parsing: Library): Library {
  const plain = new Library(
    {
      ...definition,
      model: { ...definition.model, vocab: {}, merges: [] },
      added_tokens: definition.added_tokens.filter((token) => !token.special),
    },
    LIBRARY_CONFIG,
  );
  plain.model = parsing.model;
  return plain;
}
