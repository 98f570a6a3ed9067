// Owns `npm run bench`: the same set-up as dev (native core, default model), then the scenario in test/bench/run.ts.
import { spawn } from "node:child_process";
import path from "node:path";
import { buildNative, buildNativeTarget } from "./build-native.ts";
import { ensureDefaultModel } from "./default-model.ts";

const RUN = path.resolve(import.meta.dirname, "../test/bench/run.ts");

try {
  await buildNative();
  await buildNativeTarget("native_benches");
  await ensureDefaultModel();
  const child = spawn(process.execPath, [RUN, ...process.argv.slice(2)], { stdio: "inherit" });
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
