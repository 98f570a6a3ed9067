// Owns `npm run bench:setup`: fetches the default model, then installs the peers by test/bench/setup.ts.
import { spawn } from "node:child_process";
import path from "node:path";
import { ensureDefaultModel } from "./default-model.ts";

const SETUP = path.resolve(import.meta.dirname, "../test/bench/setup.ts");

await ensureDefaultModel();
const child = spawn(process.execPath, [SETUP], { stdio: "inherit" });
child.once("exit", (code) => {
  process.exitCode = code ?? 1;
});
