// Owns what the parts of the conformance suite share: the engine under test, opened for one test at a time, prompts,
// and the statuses of a step.
import type { Engine } from "../../gpu-node/src/engine/engine.ts";
import type { SamplingSpec } from "./step-driver.ts";

export interface EngineUnderTest {
  readonly name: string;
  /** Opens a fresh engine with at least 8 slots, 320 pages and steps of 4096 tokens. */
  readonly open: () => Engine | Promise<Engine>;
}

/** StepStatus of native/core/step_layout.h. */
export const STATUS = {
  ok: 0,
  badVersion: 1,
  badCount: 2,
  badSlot: 3,
  badPage: 4,
  badRow: 5,
  badToken: 6,
  unmapped: 7,
  badSampling: 8,
} as const;

export const WARM: SamplingSpec = { temperature: 0.9, topP: 0.95, topK: 50, seed: 7 };

/** Tokens that differ by seed and lie below any vocabulary of the tests. */
export function promptOf(length: number, seed: number): number[] {
  return Array.from({ length }, (_, index) => (index * index * 7 + index * 31 + seed * 53) % 211);
}

/** Opens an engine for the length of one test. */
export async function withEngine<T>(
  subject: EngineUnderTest,
  run: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await subject.open();
  try {
    return await run(engine);
  } finally {
    await engine.close();
  }
}

export function tokensOf(samples: readonly { readonly token: number }[]): number[] {
  return samples.map(({ token }) => token);
}
