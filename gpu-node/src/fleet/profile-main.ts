// Owns the command behind `npm run profile`: measures the steps of a model on this machine with the node's own flags
// and writes the fitted cost model to the file of --step-profile, for the node's later starts; and, first, the fastest
// kernels for each number of tokens to the file of --kernels.
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { parseConfig } from "../config.ts";
import { measureKernels } from "../engine/kernel-table.ts";
import { openNativeEngine } from "../engine/native-engine.ts";
import { workerOptions } from "./engine-options.ts";
import { freeMemoryBytes } from "./free-memory.ts";
import { openModelOnDisk } from "./model-on-disk.ts";
import { writeStepProfile } from "./step-profile.ts";
import { cacheFolder } from "../model/cache-folder.ts";
import { fetchModel } from "../model/fetch-model.ts";
import { progressBar } from "../model/progress-bar.ts";
import { profileSteps } from "../scheduler/profile.ts";

/** Above this the fit is not believed: the machine was busy, or the model is of another kind. */
const ERROR_PCT_MAX = 10;

const config = parseConfig(process.argv.slice(2), process.env);
if (config === "help" || config.stepProfile === undefined) {
  process.stderr.write(
    "Usage: profile --step-profile FILE [--kernels FILE] [--model ...] [--threads N] [--isa ...]\n",
  );
  process.exit(2);
}
const cache = cacheFolder(process.env);
const path = await fetchModel(config.model ?? "default", {
  cacheFolder: cache,
  env: process.env,
  onProgress: progressBar(process.stderr, { nowMs: () => performance.now() }),
  onNotice: (text) => process.stderr.write(`${text}\n`),
  signal: new AbortController().signal,
});
if (config.kernelsPath !== undefined) {
  await writeFile(config.kernelsPath, measureKernels({ ...config, kernelsPath: undefined }));
  process.stdout.write(`kernels measured: ${config.kernelsPath}\n`);
}
const { opened, manifestPath } = await openModelOnDisk(path, cache);
const machine = {
  coreCount: availableParallelism(),
  availableBytes: freeMemoryBytes() ?? process.availableMemory(),
};
const options = workerOptions({ config, opened, manifestPath, machine });
const engine = openNativeEngine(options.engine);
const { model, errorPct, samples } = await profileSteps(engine);
const { numericsClass, threadCount } = engine.info;
await engine.close();
const facts = `${samples.length} steps of ${numericsClass} on ${threadCount} threads`;
if (errorPct > ERROR_PCT_MAX) {
  process.stderr.write(
    `profile: the fit to ${facts} is off by ${errorPct.toFixed(1)} % on average, ${ERROR_PCT_MAX} % may be: ` +
      `is the machine busy? Nothing was written.\n`,
  );
  process.exit(1);
}
const profile = { version: 1, numericsClass, threadCount, model, errorPct, samples } as const;
await writeStepProfile(config.stepProfile, profile);
process.stdout.write(
  `${facts}, fitted to ${errorPct.toFixed(1)} % on average: ${config.stepProfile}\n`,
);
