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

/** Runs of the tiny model, with the fixture files that they are true of. */
export function tinyModels(): readonly {
  readonly files: readonly string[];
  readonly runs: readonly GoldenRun[];
}[] {
  const { models } = readJson("tiny-llama.json") as {
    models: { files: string[]; prompts: GoldenRun[] }[];
  };
  return models.map(({ files, prompts }) => ({ files, runs: prompts }));
}

/** What is fed to compute a logit row for every golden position: the prompt and all generated tokens but the last. */
export function teacherForced(run: GoldenRun): readonly number[] {
  return [...run.promptIds, ...run.generatedIds.slice(0, -1)];
}
