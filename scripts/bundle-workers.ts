// Owns the bundling of the two Worker scripts for local runs (dev, end-to-end tests, load benches). Production
// bundles with `wrangler deploy`; the conditions and externals here are the same.
import { build, stop } from "esbuild";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");

export interface WorkerBundles {
  readonly edge: string;
  readonly hub: string;
}

async function bundle(entry: string): Promise<string> {
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    sourcemap: "inline",
    logLevel: "warning",
  });
  const file = result.outputFiles[0];
  if (!file) throw new Error(`esbuild wrote no output for ${entry}`);
  return file.text;
}

/** Bundles both scripts to ES module text. Takes about 100 ms. */
export async function bundleWorkers(): Promise<WorkerBundles> {
  const [edge, hub] = await Promise.all([
    bundle("apps/edge/src/index.ts"),
    bundle("apps/hub/src/index.ts"),
  ]);
  // esbuild's service process would otherwise live as long as the caller.
  await stop();
  return { edge, hub };
}
