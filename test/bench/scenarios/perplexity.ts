// Owns the scenario "perplexity": the default model on the committed public-domain text, on every engine that this CPU
// runs, beside the oracle's figure for the de-quantised weights in float32. It measures quality, not speed.
import { manifestOf } from "../../conformance/tiny-engines.ts";
import { perplexityGolden, perplexityKinds, perplexityOn } from "../../golden/perplexity.ts";
import { openBenchModel } from "../cpu-sides.ts";
import type { ScenarioResult } from "../report.ts";

/** With `--quick` the scalar engines, which take ten times as long, are left out. */
export async function perplexity(options: { readonly isQuick: boolean }): Promise<ScenarioResult> {
  const golden = perplexityGolden();
  const model = await openBenchModel();
  await using manifest = await manifestOf(model.path);
  const metrics: Record<string, number> = { oracle_f32: golden.perplexity };
  for (const kind of perplexityKinds(options)) {
    const name = kind.name.replaceAll(" ", "_");
    const measured = await perplexityOn(kind, manifest.path, golden.ids);
    metrics[name] = measured;
    metrics[`${name}_change_pct`] = 100 * (measured / golden.perplexity - 1);
  }
  return {
    scenario: "perplexity",
    facts: {
      load: `${golden.ids.length} tokens of test/fixtures/public-domain/passages.txt, one context`,
      peer: "transformers, weights de-quantised to float32 (test/golden/perplexity.json)",
    },
    metrics,
    peer: { name: "transformers", perplexity: golden.perplexity },
  };
}
