// Owns turning a tokenizer.json of the SentencePiece family (Llama 2, Mistral: BPE with byte fallback) into a tokenizer
// definition. Only the steps that those files have are known, each by its exact shape; anything else is refused.
import { z } from "zod";
import { ModelError } from "../model/model-error.ts";
import { SPM_SPACE } from "./spm-pieces.ts";
import {
  checkDefinition,
  type AddedToken,
  type SpmRules,
  type TokenizerDefinition,
  type TokenizerSource,
} from "./tokenizer-source.ts";

/** What hf-tokenizer.ts has read and checked of the file. */
export interface SpmFileParts {
  readonly model: TokenizerDefinition["model"];
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer?: unknown;
  readonly pre_tokenizer?: unknown;
  readonly post_processor?: unknown;
  readonly decoder?: unknown;
}

const prepend = z.object({ type: z.literal("Prepend"), prepend: z.literal(SPM_SPACE) });
const replaceSpace = z.object({
  type: z.literal("Replace"),
  pattern: z.object({ String: z.literal(" ") }),
  content: z.literal(SPM_SPACE),
});
const normalizerSchema = z.union([
  z.null(),
  replaceSpace,
  z.object({
    type: z.literal("Sequence"),
    normalizers: z.union([z.tuple([prepend, replaceSpace]), z.tuple([replaceSpace])]),
  }),
]);
const metaspaceSchema = z.object({
  type: z.literal("Metaspace"),
  replacement: z.literal(SPM_SPACE),
  prepend_scheme: z.enum(["always", "first", "never"]),
  split: z.literal(false),
});
const specialPart = z.object({ SpecialToken: z.object({ id: z.string() }) });
const sequencePart = z.object({ Sequence: z.object({ id: z.literal("A") }) });
const templateSchema = z.object({
  type: z.literal("TemplateProcessing"),
  single: z.array(z.union([specialPart, sequencePart])).max(16),
});
const decoderSchema = z.looseObject({ decoders: z.array(z.looseObject({ type: z.string() })) });

/**
 * The definition in a tokenizer.json whose model has byte fallback.
 * @param rowCount rows of the model's embedding
 */
export function spmTokenizerOfHf(
  file: string,
  parts: SpmFileParts,
  rowCount: number,
): TokenizerSource {
  const { model, added_tokens } = parts;
  const wholeWord = added_tokens.find(({ single_word }) => single_word);
  if (wholeWord !== undefined) {
    const subject = `added_tokens[${JSON.stringify(wholeWord.content.slice(0, 64))}]`;
    throw new ModelError(file, subject, "single_word is not supported for this kind of vocabulary");
  }
  const definition: TokenizerDefinition = {
    model,
    added_tokens,
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    spm: {
      scores: null,
      spacePrefix: spacePrefixOf(file, parts),
      stripsFirstSpace: stripsFirstSpace(parts.decoder),
      ...promptIds(file, parts),
    },
  };
  const source = { file, definition };
  const names = { vocab: "model.vocab", merges: "model.merges", addedTokens: "added_tokens" };
  checkDefinition(source, { names, rowCount });
  return source;
}

/** Older files have a normalizer, newer ones a pre-tokenizer. */
function spacePrefixOf(file: string, parts: SpmFileParts): SpmRules["spacePrefix"] {
  const normalizer = normalizerSchema.safeParse(parts.normalizer ?? null);
  if (!normalizer.success) throw new ModelError(file, "normalizer", "is none of Llama's");
  const pre = parts.pre_tokenizer ?? null;
  const metaspace = metaspaceSchema.safeParse(pre);
  if (pre !== null && !metaspace.success) {
    throw new ModelError(file, "pre_tokenizer", "is no Metaspace that keeps the text whole");
  }
  const steps = normalizer.data?.type === "Sequence" ? normalizer.data.normalizers : [];
  if (metaspace.success && normalizer.data === null) return metaspace.data.prepend_scheme;
  if (pre === null && normalizer.data !== null) return steps.length === 2 ? "always" : "never";
  throw new ModelError(file, "normalizer", "spells spaces twice, or nowhere");
}

function stripsFirstSpace(decoder: unknown): boolean {
  const parsed = decoderSchema.safeParse(decoder);
  return parsed.success && parsed.data.decoders.some(({ type }) => type === "Strip");
}

function promptIds(
  file: string,
  { post_processor = null, model, added_tokens }: SpmFileParts,
): Pick<SpmRules, "prefixIds" | "suffixIds"> {
  if (post_processor === null) return { prefixIds: [], suffixIds: [] };
  const parsed = templateSchema.safeParse(post_processor);
  const single = parsed.data?.single ?? [];
  const at = single.findIndex((part) => "Sequence" in part);
  if (at < 0) throw new ModelError(file, "post_processor", "is no template around one text");
  const ids = single.flatMap((part) => {
    if ("Sequence" in part) return [];
    const { id: content } = part.SpecialToken;
    const id = added_tokens.find((token) => token.content === content)?.id ?? model.vocab[content];
    if (id !== undefined) return [id];
    throw new ModelError(file, "post_processor", `names no token: ${content.slice(0, 64)}`);
  });
  return { prefixIds: ids.slice(0, at), suffixIds: ids.slice(at) };
}
