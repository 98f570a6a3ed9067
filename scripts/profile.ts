// Owns `npm run profile`: builds the native core, then measures how long steps take on this machine. The node's flags
// choose model, plug-in and threads; the file is where `npm run dev` nodes keep their state unless --step-profile says.
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { buildNative } from "./build-native.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const COMMAND = path.join(ROOT, "gpu-node/src/fleet/profile-main.ts");
const DEFAULT_FILE = path.join(ROOT, ".fairlane/step-profile.json");

await buildNative();
const flags = process.argv.slice(2);
const hasFile = flags.some((flag) => flag.startsWith("--step-profile"));
if (!hasFile) {
  await mkdir(path.dirname(DEFAULT_FILE), { recursive: true });
  flags.push("--step-profile", DEFAULT_FILE);
}
const child = spawn(process.execPath, [COMMAND, ...flags], { stdio: "inherit" });
child.once("exit", (code) => {
  process.exitCode = code ?? 1;
});
