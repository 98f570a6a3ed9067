// For tests: a real node in this process, with the native engine on the committed tiny model. Needs the built native
// core; tests that use it are skipped, loudly, where that is missing.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseConfig, type NodeConfig } from "../config.ts";
import { DEFAULT_ADDON_PATH } from "../engine/native-addon.ts";
import { openModelOnDisk } from "../fleet/model-on-disk.ts";
import { SILENT_LOG } from "../log.ts";
import { startNode, type RunningNode } from "../start-node.ts";

export const TINY_MODEL = fileURLToPath(
  new URL("../../../test/fixtures/tiny-llama/tiny-llama.gguf", import.meta.url),
);

/** False where the native core was not built. */
export const HAS_NATIVE_CORE = existsSync(DEFAULT_ADDON_PATH);
if (!HAS_NATIVE_CORE) {
  process.stderr.write(
    "SKIPPED: tests of the real node need the native core: npm run build:native\n",
  );
}

export class TinyNode implements AsyncDisposable {
  readonly node: RunningNode;
  readonly folder: string;

  constructor(node: RunningNode, folder: string) {
    this.node = node;
    this.folder = folder;
  }

  /** @param modelPath another model than the tiny one, which is computed in int8 and on the best plug-in */
  static async start(flags: readonly string[] = [], modelPath?: string): Promise<TinyNode> {
    const folder = mkdtempSync(join(tmpdir(), "fairlane-tiny-"));
    const numerics = modelPath === undefined ? ["--isa", "generic", "--numerics", "f32"] : [];
    const node = await startNode({
      config: nodeConfig([...numerics, ...flags], folder),
      clock: { nowMs: () => Date.now() },
      random: { fill: (bytes) => crypto.getRandomValues(bytes) },
      log: SILENT_LOG,
      machine: { coreCount: 1, availableBytes: 1_000_000_000 },
      openModel: () => openModelOnDisk(modelPath ?? TINY_MODEL, folder),
    });
    return new TinyNode(node, folder);
  }

  get url(): string {
    return this.node.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.drain();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function nodeConfig(flags: readonly string[], folder: string): NodeConfig {
  const config = parseConfig(["--port", "0", ...flags], { FAIRLANE_CACHE_DIR: folder });
  if (config === "help") throw new Error("the test asked for help");
  return config;
}
