// Owns the measuring of perplexity: the text's token ids and the oracle's figure (perplexity.json), and what an engine
// gives on them. One context; every token but the first is predicted from all before it.
import { readFileSync } from "node:fs";
import { assert } from "@fairlane/base";
import type { EngineOptions } from "../../gpu-node/src/engine/engine.ts";
import { openKind, runnableKinds, type EngineKind } from "../conformance/tiny-engines.ts";
import { StepDriver } from "../conformance/step-driver.ts";

/** A kind of engine, and where attention is not to be computed as on this CPU by default, how. */
interface PerplexityKind extends EngineKind {
  readonly attention?: EngineOptions["attention"];
}

/**
 * All that this CPU runs; avx512vnni also without the bf16 that it computes attention in where that is faster, and the
 * quick ones also over a KV cache of int8.
 * @param options.isQuick leaves out the scalar engines, which take ten times as long
 */
export function perplexityKinds({ isQuick }: { readonly isQuick: boolean }): PerplexityKind[] {
  const kinds = runnableKinds().filter(({ isa }) => !isQuick || isa !== "generic");
  const inF32 = kinds
    .filter(({ isa }) => isa === "avx512vnni")
    .map((kind) => ({ ...kind, name: `${kind.name} attention f32`, attention: "f32" as const }));
  const inInt8 = kinds
    .filter(({ isa }) => isa !== "generic")
    .map((kind) => ({ ...kind, name: `${kind.name} KV int8`, kvType: "int8" as const }));
  return [...kinds, ...inF32, ...inInt8];
}

interface PerplexityGolden {
  readonly textSha256: string;
  readonly ids: readonly number[];
  /** Of de-quantised weights in float32, by transformers. */
  readonly perplexity: number;
}

/** Tokens of a step; the logits of all of them are kept, 196 kB each. */
const CHUNK_TOKENS = 128;
const PAGE_COUNT = 128;
const CAPACITY = {
  rows: 1,
  tokens: CHUNK_TOKENS,
  page_updates: PAGE_COUNT,
  sampling_updates: 1,
  slot_resets: 1,
  bias_updates: 1,
  top_tokens: 20,
  copied_pages: 1,
};

export const PERPLEXITY_TEXT = new URL("../fixtures/public-domain/passages.txt", import.meta.url);

export function perplexityGolden(): PerplexityGolden {
  const text = readFileSync(new URL("perplexity.json", import.meta.url), "utf8");
  return JSON.parse(text) as PerplexityGolden;
}

/** Minus the natural logarithm of a token's probability under a row of logits. */
function lossOf(logits: Float32Array, token: number): number {
  let max = -Infinity;
  for (const logit of logits) if (logit > max) max = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  const loss = max + Math.log(sum) - (logits[token] ?? NaN);
  assert(Number.isFinite(loss), `the loss of token ${token} is not finite`);
  return loss;
}

/**
 * Perplexity of `ids` on one kind of engine: exp of the mean loss over all tokens but the first.
 * @param manifestPath of the model whose vocabulary the ids are of
 */
export async function perplexityOn(
  kind: PerplexityKind,
  manifestPath: string,
  ids: readonly number[],
): Promise<number> {
  const engine = openKind(kind, manifestPath, {
    pageCount: PAGE_COUNT,
    slotCount: 1,
    capacity: CAPACITY,
    keepLogits: true,
    attention: kind.attention ?? "auto",
  });
  try {
    const { vocabSize } = engine.info;
    const driver = new StepDriver(engine);
    driver.start(0);
    let total = 0;
    for (let start = 0; start < ids.length - 1; start += CHUNK_TOKENS) {
      const tokens = ids.slice(start, Math.min(start + CHUNK_TOKENS, ids.length - 1));
      const { status } = await driver.step([{ slot: 0, tokens, isSampled: false }]);
      assert(status === 0, `the step at ${start} was refused with status ${status}`);
      const logits = engine.readLogits();
      assert(logits.length === tokens.length * vocabSize, `${logits.length} logits at ${start}`);
      for (const [index] of tokens.entries()) {
        const row = logits.subarray(index * vocabSize, (index + 1) * vocabSize);
        total += lossOf(row, ids[start + index + 1] ?? -1);
      }
    }
    return Math.exp(total / (ids.length - 1));
  } finally {
    await engine.close();
  }
}
