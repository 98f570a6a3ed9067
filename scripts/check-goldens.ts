// Owns the check that the committed goldens are what the oracle computes: where PyTorch and transformers are
// installed it makes a sample of them anew and compares. FAIRLANE_GOLDEN_PYTHON names another interpreter.
import path from "node:path";
import { runQuietly } from "./run-quietly.ts";
import type { TestCounts } from "./test-counts.ts";

const GOLDENS = path.resolve(import.meta.dirname, "goldens");
const CHECKS = [
  ["make_tiny_llama.py", "--check"],
  ["make_tiny_goldens.py", "--check"],
  ["make_tiny_rope_goldens.py", "--check"],
  ["make_tiny_qwen.py", "--check"],
  ["make_tiny_qwen_goldens.py", "--check"],
  ["make_tiny_mistral.py", "--check"],
  ["make_tiny_mistral_goldens.py", "--check"],
  ["make_tiny_k_quants.py", "--check"],
  ["make_tiny_k_quants_goldens.py", "--check"],
  ["make_embedding_goldens.py", "--check"],
  ["make_perplexity_golden.py", "--check"],
  ["make_tokenizer_goldens.py", "--check", "50"],
  ["make_logit_goldens.py", "--check", "2"],
  ["make_adapter_goldens.py", "--check"],
] as const;

/** Runs the oracle's checks, or counts them as skipped and says why. */
export async function checkGoldens(): Promise<TestCounts> {
  const python = process.env["FAIRLANE_GOLDEN_PYTHON"] ?? "python3";
  const probe = await runQuietly(python, [
    "-c",
    "import torch, transformers, gguf, peft, sentencepiece",
  ]);
  if (probe.exitCode !== 0) {
    process.stdout.write(
      `SKIPPED: ${CHECKS.length} golden checks (${python} lacks torch, peft or sentencepiece)\n`,
    );
    return { passed: 0, failed: 0, skipped: CHECKS.length };
  }
  let passed = 0;
  for (const [script, ...args] of CHECKS) {
    const run = await runQuietly(python, [path.join(GOLDENS, script), ...args]);
    if (run.exitCode === 0) passed += 1;
    else process.stdout.write(`FAILED: goldens: ${script}\n${run.log.slice(-20).join("\n")}\n`);
  }
  return { passed, failed: CHECKS.length - passed, skipped: 0 };
}
