// Owns the way in which dev and test get the default model: the node's own fetch command, in a process of its own so
// that its progress bar has the terminal.
import { spawn } from "node:child_process";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");

/** Makes sure that the default model lies in the cache; throws with the fetch command's sentence. */
export async function ensureDefaultModel(): Promise<void> {
  const command = path.join(ROOT, "gpu-node/src/model/fetch-main.ts");
  const child = spawn(process.execPath, [command], { stdio: ["ignore", "ignore", "inherit"] });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) throw new Error("the default model could not be had; the line above says why.");
}
