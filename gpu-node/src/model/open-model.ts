// Owns opening a model: a GGUF file or a Hugging Face folder becomes one checked description from which engine,
// tokenizer and chat template are made. Reads headers and small files only; weights stay on disk for the core.
import { hashFields, toHex } from "@fairlane/base";
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { ChatTemplateSource } from "../tokenize/chat-template.ts";
import { tokenizerOfGguf } from "../tokenize/gguf-tokenizer.ts";
import type { TokenizerSource } from "../tokenize/tokenizer-source.ts";
import { endTokensOfGguf } from "./end-tokens.ts";
import { fileDigest } from "./file-digest.ts";
import { readGguf } from "./gguf.ts";
import { readHfFolder } from "./hf-folder.ts";
import type { LlamaConfig } from "./llama-config.ts";
import { llamaConfigOfGguf } from "./llama-config-gguf.ts";
import { embeddingName, mapLlamaTensors, outputName, ropeDivisorsName } from "./llama-tensors.ts";
import { manifestText, type ManifestModel } from "./manifest.ts";
import { errorText, ModelError } from "./model-error.ts";

export interface OpenedModel {
  /** The name clients use: lower case, without folder and without the suffixes of formats. */
  readonly id: string;
  /** SHA-256 in hexadecimal: of the GGUF file, or over all files of a folder. Part of cache keys. */
  readonly digest: string;
  readonly config: LlamaConfig;
  /** The flat tensor manifest of native/MANIFEST.md. */
  readonly manifestText: string;
  readonly tokenizerSource: TokenizerSource;
  readonly contextTokens: number;
  /** Tokens that end an answer; at least one. */
  readonly eosTokenIds: readonly number[];
  readonly bosTokenId: number | undefined;
  /** How its embeddings are made of hidden states. */
  readonly pooling: "last" | "mean";
  /** Undefined when the model came without one: it can complete text, not chat. */
  readonly chatTemplate: ChatTemplateSource | undefined;
}

/** What both formats give; the rest is the same for all. */
export interface ModelParts {
  readonly files: ManifestModel["files"];
  /** Further files whose content changes what the model answers. */
  readonly textFiles: readonly string[];
  readonly config: LlamaConfig;
  readonly tensors: ManifestModel["tensors"];
  readonly tokenizerSource: TokenizerSource;
  readonly eosTokenIds: readonly number[];
  readonly bosTokenId: number | undefined;
  readonly chatTemplate: string | undefined;
  /** As the file states it; a causal model's last position has seen all, so that is what is taken otherwise. */
  readonly pooling?: "last" | "mean";
}

/**
 * Opens the model at a path. Throws ModelError naming file and tensor or field for whatever is wrong.
 * @param options.cacheFolder where the digests of large files are kept between starts
 */
export async function openModel(
  path: string,
  options: { readonly cacheFolder: string },
): Promise<OpenedModel> {
  const place = resolve(path);
  const placeStat = await stat(place).catch((thrown: unknown) => {
    throw new ModelError(place, "file", errorText(thrown));
  });
  const parts = placeStat.isDirectory() ? await readHfFolder(place) : await readGgufModel(place);
  if (parts.eosTokenIds.length === 0) {
    throw new ModelError(place, "end token", "none is stated, so answers would never end");
  }
  const { config, tokenizerSource, eosTokenIds, bosTokenId } = parts;
  const text = (id: number | undefined) => tokenText(tokenizerSource, id);
  return {
    id: modelId(place),
    digest: await digestOf(parts, options.cacheFolder),
    config,
    manifestText: manifestText(parts),
    tokenizerSource,
    contextTokens: config.contextTokens,
    eosTokenIds,
    bosTokenId,
    pooling: parts.pooling ?? "last",
    chatTemplate:
      parts.chatTemplate === undefined
        ? undefined
        : {
            file: place,
            text: parts.chatTemplate,
            bosToken: text(bosTokenId),
            eosToken: text(eosTokenIds[0]),
          },
  };
}

/** llama.cpp's number for it, in `<architecture>.pooling_type`. */
const GGUF_POOLING_MEAN = 1;

async function readGgufModel(file: string): Promise<ModelParts> {
  const gguf = await readGguf(file);
  const { metadata, tensors, fileBytes } = gguf;
  const find = (name: string) => tensors.find((tensor) => tensor.name === name);
  const config = llamaConfigOfGguf(file, metadata, {
    embeddingRows: find(embeddingName("gguf"))?.dims[0],
    hasOutput: find(outputName("gguf")) !== undefined,
    hasRopeDivisors: find(ropeDivisorsName()) !== undefined,
  });
  const tokenizerSource = tokenizerOfGguf(file, metadata, config.vocabSize);
  return {
    files: [{ path: file, fileBytes }],
    textFiles: [],
    config,
    tensors: mapLlamaTensors(file, { config, scheme: "gguf", tensors }),
    tokenizerSource,
    ...endTokensOfGguf(file, metadata, tokenizerSource),
    chatTemplate: metadata.text("tokenizer.chat_template"),
    pooling:
      metadata.number(`${config.architecture}.pooling_type`) === GGUF_POOLING_MEAN
        ? "mean"
        : "last",
  };
}

/** The file's own SHA-256 where there is one file, so that it can be compared with what the publisher states. */
async function digestOf(parts: ModelParts, cacheFolder: string): Promise<string> {
  const paths = [...parts.textFiles, ...parts.files.map((file) => file.path)];
  const digests: string[] = [];
  for (const path of paths) digests.push(await fileDigest(path, cacheFolder));
  const [first = ""] = digests;
  if (digests.length === 1) return first;
  const fields = paths.flatMap((path, index) => [basename(path), digests[index] ?? ""]);
  return toHex(await hashFields("fairlane-model-digest-v1", fields));
}

/** The spelling of a token in the vocabulary. */
export function tokenText(source: TokenizerSource, id: number | undefined): string | undefined {
  const { added_tokens, model } = source.definition;
  const added = added_tokens.find((token) => token.id === id);
  return added?.content ?? Object.entries(model.vocab).find(([, value]) => value === id)?.[0];
}

function modelId(place: string): string {
  const stem = basename(place)
    .replace(/\.gguf$/i, "")
    .replace(/[.-](I?Q\d\w*|F16|BF16|F32)$/i, "");
  const id = stem
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .slice(0, 128);
  return id === "" ? "model" : id;
}
