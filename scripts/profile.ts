// Owns `npm run profile`: builds the native core, then measures which kernels are fastest and how long steps take on
// this machine. The node's flags choose model, plug-in and threads; the files are where `npm run dev` nodes keep their
// state unless --step-profile and --kernels say.
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { buildNative } from "./build-native.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const COMMAND = path.join(ROOT, "gpu-node/src/fleet/profile-main.ts");
const DEFAULT_FILES = {
  "--step-profile": path.join(ROOT, ".fairlane/step-profile.json"),
  "--kernels": path.join(ROOT, ".fairlane/kernels.txt"),
};

await buildNative();
const flags = process.argv.slice(2);
for (const [name, file] of Object.entries(DEFAULT_FILES)) {
  if (flags.some((flag) => flag.startsWith(name))) continue;
  await mkdir(path.dirname(file), { recursive: true });
  flags.push(name, file);
}
const child = spawn(process.execPath, [COMMAND, ...flags], { stdio: "inherit" });
child.once("exit", (code) => {
  process.exitCode = code ?? 1;
});
