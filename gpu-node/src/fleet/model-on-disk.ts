// Owns the way from the --model flag to an opened model with its manifest on disk: what is fetched is fetched by
// model/fetch-model.ts, what is opened by model/open-model.ts; this orders the two and keeps the cache folder tidy.
import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeManifest } from "../model/manifest.ts";
import { openModel, type OpenedModel } from "../model/open-model.ts";

export interface ModelOnDisk {
  readonly opened: OpenedModel;
  readonly manifestPath: string;
  /** When the model came to this machine, in seconds since 1970. */
  readonly createdSeconds: number;
}

/** Opens the model at `path` and writes its manifest into the cache folder. */
export async function openModelOnDisk(path: string, cacheFolder: string): Promise<ModelOnDisk> {
  const opened = await openModel(path, { cacheFolder });
  const folder = join(cacheFolder, "manifests");
  await mkdir(folder, { recursive: true });
  // Named by its content: two nodes with different models or paths do not write over each other.
  const name = createHash("sha256").update(opened.manifestText).digest("hex").slice(0, 32);
  const manifestPath = join(folder, `${name}.manifest`);
  await writeManifest(opened, manifestPath);
  const { mtimeMs } = await stat(path);
  return { opened, manifestPath, createdSeconds: Math.floor(mtimeMs / 1_000) };
}
