// Owns random adapters for the tiny model: matrices in one temporary file, and the specs that name them. Invariant: the
// same seed gives the same matrices.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  LORA_MODULES,
  type AdapterModuleSpec,
  type AdapterSpec,
  type LoraModule,
} from "../../gpu-node/src/engine/adapter-spec.ts";

/** Of test/fixtures/tiny-llama. */
const LAYERS = 2;
const [HIDDEN, ATTENTION, KV, FFN] = [64, 64, 32, 160];

const WIDTHS: Readonly<Record<LoraModule, readonly [inputs: number, outputs: number]>> = {
  q: [HIDDEN, ATTENTION],
  k: [HIDDEN, KV],
  v: [HIDDEN, KV],
  o: [ATTENTION, HIDDEN],
  gate: [HIDDEN, FFN],
  up: [HIDDEN, FFN],
  down: [FFN, HIDDEN],
};

export interface RandomAdapter {
  readonly rank: number;
  readonly modules: readonly LoraModule[];
  readonly seed: number;
}

/** Numbers in [-1, 1) that a seed repeats. */
function* numbersFrom(seed: number): Generator<number, never> {
  let state = BigInt(seed) * 7_919n + 1n;
  for (;;) {
    state = BigInt.asUintN(64, state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n);
    yield Number(state >> 40n) / 2 ** 23 - 1;
  }
}

/** Specs of adapters whose matrices lie in a file until this is disposed. */
export async function randomAdapters(
  adapters: readonly RandomAdapter[],
): Promise<AsyncDisposable & { readonly specs: readonly AdapterSpec[] }> {
  const folder = await mkdtemp(join(tmpdir(), "fairlane-adapters-"));
  const path = join(folder, "matrices.bin");
  const values: number[] = [];
  const matrix = (random: Generator<number, never>, shape: readonly [number, number]) => {
    const offset = values.length * 4;
    for (let i = 0; i < shape[0] * shape[1]; i++) values.push(random.next().value * 0.25);
    return { path, offset, dtype: "f32", shape } as const;
  };
  const specs = adapters.map(({ rank, modules, seed }): AdapterSpec => {
    const random = numbersFrom(seed);
    return Array.from({ length: LAYERS }).flatMap((_, layer) =>
      LORA_MODULES.filter((module) => modules.includes(module)).map((module): AdapterModuleSpec => {
        const [inputs, outputs] = WIDTHS[module];
        const a = matrix(random, [rank, inputs]);
        const b = matrix(random, [outputs, rank]);
        return { layer, module, rank, scaling: 2 / rank, a, b };
      }),
    );
  });
  await writeFile(path, Float32Array.from(values));
  return { specs, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
