// Owns the interface of what turns text into ids, whatever the kind of vocabulary: byte-level BPE by the library
// (library-encoder.ts), SentencePiece by spm-encoder.ts.

export interface TextEncoderOptions {
  /** Control tokens spelled in the text become those tokens; false: they are text like any other. */
  readonly parsesSpecial: boolean;
  /** Add what the model wants around a prompt. */
  readonly addsPromptTokens: boolean;
  /** The text does not follow another one: some vocabularies put a space before the first word. */
  readonly isFirst: boolean;
}

export interface TextEncoder {
  encode(text: string, options: TextEncoderOptions): readonly number[];
}
