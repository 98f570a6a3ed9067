// Owns the command line of the benches: which scenario runs, that the machine is idle, and where the result goes. Run
// it as `npm run bench -- SCENARIO [--quick] [--json FILE] [--engine native] [--force]`.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { checkIdle } from "./idle-guard.ts";
import { jsonOf, tableOf, type ScenarioResult } from "./report.ts";
import { contention } from "./scenarios/contention.ts";
import { CPU_SCENARIOS } from "./scenarios/cpu.ts";
import { edgeOverhead } from "./scenarios/edge-overhead.ts";
import { fairness } from "./scenarios/fairness.ts";
import { ledger } from "./scenarios/ledger.ts";
import { loraCold } from "./scenarios/lora-cold.ts";
import { loraScale } from "./scenarios/lora-scale.ts";
import { loraTax } from "./scenarios/lora-tax.ts";
import { ops } from "./scenarios/ops.ts";
import { perplexity } from "./scenarios/perplexity.ts";
import { serve } from "./scenarios/serve.ts";

interface ScenarioOptions {
  readonly isQuick: boolean;
  readonly engine: "simulated" | "native";
}

const SCENARIOS: Readonly<Record<string, (options: ScenarioOptions) => Promise<ScenarioResult>>> = {
  fairness,
  serve,
  "edge-overhead": edgeOverhead,
  ...CPU_SCENARIOS,
  contention,
  ledger,
  ops,
  "lora-tax": loraTax,
  "lora-scale": loraScale,
  "lora-cold": loraCold,
  perplexity,
};

const USAGE = `usage: npm run bench -- ${Object.keys(SCENARIOS).join("|")} [--quick] [--json FILE] [--engine native] [--force]
  --quick      a small load that ends within 50 seconds
  --json FILE  write the JSON object there as well
  --engine native  fairness on the real CPU engine, shortened; without it in virtual time
  --force      measure on a busy machine; the result says "busy": true
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      force: { type: "boolean", default: false },
      json: { type: "string" },
      engine: { type: "string", default: "simulated" },
    },
  });
  const run = SCENARIOS[positionals[0] ?? ""];
  if (run === undefined || positionals.length !== 1) throw new Error(USAGE);
  const { engine } = values;
  if (engine !== "simulated" && engine !== "native") throw new Error(USAGE);
  const busy = await checkIdle({ force: values.force });
  const result = await run({ isQuick: values.quick, engine });
  const json = jsonOf(result, { busy });
  if (values.json !== undefined) await writeFile(values.json, `${json}\n`);
  process.stdout.write(`${tableOf(result)}${json}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
