// [Punica] sec. 7: one batch serves requests of different adapters under any popularity, five of them here: distinct, uniform,
// skewed (Zipf 1.5), identical, and mixed with requests of the base model. What each request says, and how likely, is
// what it says alone, bit for bit; ranks differ within the batch.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ALL_LINEAR, writePeft } from "../../gpu-node/src/adapters/testing/peft-folder.ts";
import { temporaryFolder } from "../../gpu-node/src/model/testing/corrupt-copy.ts";
import { HAS_NATIVE_CORE, TINY_MODEL, TinyNode } from "../../gpu-node/src/testing/tiny-node.ts";
import { seededRandom } from "../bench/workload.ts";

const ADAPTERS = 32;
const ROWS = 32;
const RANKS = [8, 16, 5, 32];
const BASE = "tiny-llama";

const draw = seededRandom(3);
const nameOf = (index: number): string => `a${index}`;

/** The model that each row asks for. */
const WORKLOADS: Readonly<Record<string, readonly string[]>> = {
  distinct: Array.from({ length: ROWS }, (_, row) => nameOf(row)),
  uniform: Array.from({ length: ROWS }, () => nameOf(Math.floor(draw() * ADAPTERS))),
  "skewed (Zipf 1.5)": Array.from({ length: ROWS }, () => nameOf(zipf())),
  identical: Array.from({ length: ROWS }, () => nameOf(3)),
  "mixed with the base": Array.from({ length: ROWS }, (_, row) =>
    row % 2 === 0 ? BASE : nameOf(row % 8),
  ),
};

function zipf(): number {
  const weights = Array.from({ length: ADAPTERS }, (_, rank) => (rank + 1) ** -1.5);
  let left = draw() * weights.reduce((sum, weight) => sum + weight, 0);
  return weights.findIndex((weight) => (left -= weight) <= 0);
}

/** Tokens and log-probabilities of one answer. */
async function say(node: TinyNode, model: string, row: number): Promise<string> {
  const body = {
    model,
    // Prompts of several lengths, so that chunks and decodes of different adapters share steps.
    prompt: Array.from(
      { length: 4 + ((row * 7) % 40) },
      (_, at) => 3 + ((row * 31 + at * 17) % 500),
    ),
    max_tokens: 8,
    temperature: 0,
    logprobs: 1,
    cache_prompt: false,
  };
  const response = await fetch(`${node.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const { choices } = (await response.json()) as {
    choices: { text: string; logprobs: { token_logprobs: number[] } }[];
  };
  return JSON.stringify(choices.map(({ text, logprobs }) => [text, logprobs.token_logprobs]));
}

describe.skipIf(!HAS_NATIVE_CORE)("[Punica] a batch of many adapters", () => {
  let folder: { readonly path: string } & AsyncDisposable;
  let node: TinyNode;

  beforeAll(async () => {
    folder = await temporaryFolder();
    const flags: string[] = [];
    for (let index = 0; index < ADAPTERS; index++) {
      const path = join(folder.path, nameOf(index));
      await mkdir(path);
      const rank = RANKS[index % RANKS.length] ?? 8;
      await writePeft(path, { targets: ALL_LINEAR, rank, alpha: 2 * rank, seed: index, scale: 1 });
      flags.push("--adapter", `${nameOf(index)}=${path}`);
    }
    const sizes = ["--max-running", "32", "--page-count", "2000"];
    // On the plug-in and in the numerics that serve.
    node = await TinyNode.start([...flags, ...sizes], TINY_MODEL);
  });

  afterAll(async () => {
    await node[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  it.each(Object.keys(WORKLOADS))("says what each request says alone: %s", async (workload) => {
    const models = WORKLOADS[workload] ?? [];
    const together = await Promise.all(models.map((model, row) => say(node, model, row)));
    const alone: string[] = [];
    for (const [row, model] of models.entries()) alone.push(await say(node, model, row));
    expect(together).toEqual(alone);
    const texts = new Set(together);
    expect(texts.size).toBeGreaterThan(ROWS / 2);
  });
});
