// Owns reading a Hugging Face model folder: config.json, tokenizer.json, the weights' headers and the optional
// files beside them.
import { join } from "node:path";
import { z } from "zod";
import { tokenizerOfHf } from "../tokenize/hf-tokenizer.ts";
import { endTokensOfHf, type HfJson } from "./end-tokens.ts";
import { CHAT_TEMPLATE_CHARS_MAX, CONFIG_BYTES_MAX, TOKENIZER_BYTES_MAX } from "./limits.ts";
import { llamaConfigOfHf } from "./llama-config-hf.ts";
import { mapLlamaTensors } from "./llama-tensors.ts";
import type { ModelParts } from "./open-model.ts";
import { parseWith, readJson, readJsonIfThere } from "./read-json.ts";
import { readTextIfThere } from "./read-text.ts";
import { readSafetensors } from "./safetensors.ts";

const CONFIG = "config.json";
const GENERATION_CONFIG = "generation_config.json";
const TOKENIZER = "tokenizer.json";
const TOKENIZER_CONFIG = "tokenizer_config.json";
const CHAT_TEMPLATE = "chat_template.jinja";

// One template, or several by name.
const templateSchema = z.looseObject({
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});

/** Reads and checks everything but the weights themselves. */
export async function readHfFolder(folder: string): Promise<ModelParts> {
  const path = (name: string) => join(folder, name);
  const json = await readJson(path(CONFIG), CONFIG_BYTES_MAX);
  const config = llamaConfigOfHf(path(CONFIG), json);
  const tokenizerJson = await readJson(path(TOKENIZER), TOKENIZER_BYTES_MAX);
  const tokenizerSource = tokenizerOfHf(path(TOKENIZER), tokenizerJson, config.vocabSize);
  const optional = async (name: string): Promise<HfJson | undefined> => {
    const found = await readJsonIfThere(path(name), CONFIG_BYTES_MAX);
    return found && { file: path(name), json: found };
  };
  const generation = await optional(GENERATION_CONFIG);
  const tokenizerConfig = await optional(TOKENIZER_CONFIG);
  const templateText = await readTextIfThere(path(CHAT_TEMPLATE), 4 * CHAT_TEMPLATE_CHARS_MAX);
  const weights = await readSafetensors(folder);
  const tensors = mapLlamaTensors(folder, { config, scheme: "hf", tensors: weights.tensors });
  const configs = [{ file: path(CONFIG), json }, ...(generation ? [generation] : [])];
  const present: readonly (readonly [name: string, isThere: boolean])[] = [
    [CONFIG, true],
    [TOKENIZER, true],
    [GENERATION_CONFIG, generation !== undefined],
    [TOKENIZER_CONFIG, tokenizerConfig !== undefined],
    [CHAT_TEMPLATE, templateText !== undefined],
  ];
  return {
    files: weights.files,
    textFiles: present.filter(([, isThere]) => isThere).map(([name]) => path(name)),
    config,
    tensors,
    tokenizerSource,
    ...endTokensOfHf(configs, tokenizerConfig, tokenizerSource),
    chatTemplate: templateText ?? (tokenizerConfig && defaultTemplate(tokenizerConfig)),
  };
}

function defaultTemplate({ file, json }: HfJson): string | undefined {
  const template = parseWith(templateSchema, file, json).chat_template ?? undefined;
  if (!Array.isArray(template)) return template;
  return template.find(({ name }) => name === "default")?.template;
}
