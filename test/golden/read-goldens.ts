// Owns the reading of the committed goldens and their shape. Their meaning is written down in README.md.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

/** One run: a prompt, the oracle's greedy tokens, and one column entry per position but the last token's. */
export interface GoldenRun {
  readonly name: string;
  readonly promptIds: readonly number[];
  readonly generatedIds: readonly number[];
  readonly logSumExp: readonly number[];
  readonly rms: readonly number[];
  readonly topIds: readonly (readonly number[])[];
  readonly topLogits: readonly (readonly number[])[];
}

function readJson(name: string): unknown {
  const bytes = readFileSync(fileURLToPath(new URL(name, import.meta.url)));
  return JSON.parse((name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8"));
}

/** Runs of the default model. */
export function defaultModelRuns(): readonly GoldenRun[] {
  return (readJson("smollm2-logits.json.gz") as { prompts: GoldenRun[] }).prompts;
}

/** Runs of tiny models, with the fixture files that they are true of. */
export function tinyModels(golden = "tiny-llama.json"): readonly {
  readonly files: readonly string[];
  readonly runs: readonly GoldenRun[];
}[] {
  const { models } = readJson(golden) as {
    models: { files: string[]; prompts: GoldenRun[] }[];
  };
  return models.map(({ files, prompts }) => ({ files, runs: prompts }));
}

/** Runs of the tiny Llama under rope scaling: config.json's `rope_scaling`, and GGUF files of the same numbers. */
export function tinyRopeModels(): readonly {
  readonly ropeScaling: Readonly<Record<string, unknown>>;
  readonly files: readonly string[];
  readonly prompts: readonly GoldenRun[];
}[] {
  type Model = { ropeScaling: Record<string, unknown>; files: string[]; prompts: GoldenRun[] };
  return (readJson("tiny-rope.json") as { models: Model[] }).models;
}

/** Strings and rendered chats of the tiny Qwen models, with their token ids. */
export function tinyQwenTexts(): readonly {
  readonly text: string;
  readonly ids: readonly number[];
}[] {
  type Text = { text: string; ids: number[] };
  const { tokens, chats } = readJson("tiny-qwen.json") as { tokens: Text[]; chats: Text[] };
  return [...tokens, ...chats];
}

/** Runs of a model with an adapter. */
export interface AdapterRuns {
  /** The adapter's folder. */
  readonly name: string;
  readonly runs: readonly (GoldenRun & {
    /** What it says up to the end of its turn, for the default model. */
    readonly answer?: string;
  })[];
}

/** Runs of adapters, by adapter. */
export function adapterRuns(golden: string): readonly AdapterRuns[] {
  type Model = { name: string; prompts: AdapterRuns["runs"] };
  const { models } = readJson(golden) as { models: Model[] };
  return models.map(({ name, prompts }) => ({ name, runs: prompts }));
}

interface TokenisedText {
  readonly text: string;
  readonly ids: readonly number[];
}

/** SentencePiece's ids and texts of the tiny Mistral; what tokenizer.json gives where control tokens are spelled; chats. */
export function tinyMistralTexts(): {
  readonly tokens: readonly (TokenisedText & { readonly decoded: string })[];
  readonly marked: readonly (TokenisedText & { readonly metaspaceIds: readonly number[] })[];
  readonly chats: readonly (TokenisedText & {
    readonly messages: readonly { readonly role: string; readonly content: string }[];
    /** Greedy, at most 40 tokens. */
    readonly answer: string;
  })[];
} {
  return readJson("tiny-mistral.json") as ReturnType<typeof tinyMistralTexts>;
}

/** What is fed to compute a logit row for every golden position: the prompt and all generated tokens but the last. */
export function teacherForced(run: GoldenRun): readonly number[] {
  return [...run.promptIds, ...run.generatedIds.slice(0, -1)];
}
