// Owns the installing of the benches' peers into ignored folders: llama.cpp as llama-cpp-python, compiled for this host
// (minutes), the default model re-quantised to its best format, and Portkey's gateway. Run it as `npm run bench:setup`.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../../gpu-node/src/model/cache-folder.ts";
import { defaultModelPath } from "../../gpu-node/src/model/fetch-model.ts";
import { PORTKEY_FOLDER, PORTKEY_MANIFEST, PORTKEY_VERSION } from "./edge-overhead/portkey.ts";
import { BENCH_FOLDER, BENCH_PYTHON, PEER_MODEL_BEST, PEER_SCRIPT } from "./peer/peer-files.ts";

const PEER_PACKAGE = "llama-cpp-python==0.3.36";
/** Writes the peer's adapters. */
const GGUF_PACKAGE = "gguf==0.19.0";
async function run(command: string, args: readonly string[], env = {}): Promise<void> {
  const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...env } });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) throw new Error(`${path.basename(command)} ${args.join(" ")} failed (${code})`);
}

async function isInstalled(): Promise<boolean> {
  if (!existsSync(BENCH_PYTHON)) return false;
  return run(BENCH_PYTHON, ["-c", "import gguf, llama_cpp, numpy"]).then(
    () => true,
    () => false,
  );
}

await mkdir(BENCH_FOLDER, { recursive: true });
if (!(await isInstalled())) {
  if (!existsSync(BENCH_PYTHON)) {
    await run("python3", ["-m", "venv", path.join(BENCH_FOLDER, "venv")]);
  }
  const flags = [
    "-m",
    "pip",
    "install",
    "--no-binary",
    "llama-cpp-python",
    PEER_PACKAGE,
    GGUF_PACKAGE,
    "numpy",
  ];
  await run(BENCH_PYTHON, flags, { CMAKE_ARGS: "-DGGML_NATIVE=ON" });
}
if (!existsSync(PEER_MODEL_BEST)) {
  const source = defaultModelPath(cacheFolder(process.env));
  await run(BENCH_PYTHON, [PEER_SCRIPT, "--quantize", source, PEER_MODEL_BEST]);
}
await mkdir(PORTKEY_FOLDER, { recursive: true });
await writeFile(path.join(PORTKEY_FOLDER, "package.json"), JSON.stringify(PORTKEY_MANIFEST));
await run("npm", [
  "install",
  "--prefix",
  PORTKEY_FOLDER,
  "--ignore-scripts",
  "--no-audit",
  "--no-fund",
]);
process.stderr.write(
  `bench: ${PEER_PACKAGE}, Portkey ${PORTKEY_VERSION} and their files are in ${BENCH_FOLDER}\n`,
);
