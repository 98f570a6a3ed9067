// Owns fetching a model from a hub by id: which files it needs, at which revision, into which folder of the
// cache. A model that was fetched whole is used again without asking the hub. @huggingface/hub speaks the hub's
// API; the bytes are fetched by download-file.ts, as the library's own download cannot go on after a cut.
import { join } from "node:path";
import { z } from "zod";
import { isSound, type Checksum } from "./checksum.ts";
import { downloadFile, type HubAccess, type HubFile } from "./download-file.ts";
import { FetchError, fetchProblem } from "./fetch-error.ts";
import { CONFIG_BYTES_MAX, HUB_FILE_BYTES_MAX, HUB_FILES_MAX, HUB_SILENCE_MS } from "./limits.ts";
import { isHubPath } from "./model-source.ts";
import type { OnProgress } from "./progress.ts";
import { readJsonIfThere } from "./read-json.ts";
import { INDEX_FILE, SINGLE_FILE } from "./safetensors.ts";
import { writeWhole } from "./write-whole.ts";

export interface HubFetchOptions extends HubAccess {
  readonly cacheFolder: string;
  readonly onProgress: OnProgress;
}

const recordSchema = z.object({
  revision: z.string().regex(/^[0-9a-f]{7,64}$/),
  files: z
    .array(
      z.object({
        path: z.string().refine(isHubPath),
        bytes: z.int().min(0).max(HUB_FILE_BYTES_MAX),
        checksum: z
          .object({ kind: z.enum(["sha256", "git"]), hex: z.string().regex(/^[0-9a-f]+$/) })
          .optional(),
      }),
    )
    .min(1)
    .max(HUB_FILES_MAX),
});
type Fetched = z.infer<typeof recordSchema>;
type RepoFile = Fetched["files"][number];

const TOKENIZER_FILES: readonly string[] = ["config.json", "tokenizer.json"];
const OPTIONAL_FILES: readonly string[] = [
  "generation_config.json",
  "tokenizer_config.json",
  "chat_template.jinja",
];

/**
 * Makes the model available in the cache folder.
 * @param file a file of the repository, or undefined to choose by what the repository holds
 * @returns the path to open: a GGUF file or a folder
 */
export async function fetchFromHub(
  repo: string,
  file: string | undefined,
  options: HubFetchOptions,
): Promise<string> {
  const folder = join(options.cacheFolder, "models", "hub", repo.replace("/", "--"));
  const recordPath = join(folder, `${file?.replaceAll("/", "--") ?? "chosen"}.fetched.json`);
  const known = await readRecord(recordPath);
  if (known && (await isWhole(known, folder, options.cacheFolder))) return place(known, folder);
  const wanted = await askHub(repo, file, options);
  const totalBytes = wanted.files.reduce((sum, each) => sum + each.bytes, 0);
  let earlierBytes = 0;
  for (const each of wanted.files) {
    const label = `Downloading ${repo}`;
    const onBytes = (bytes: number) =>
      options.onProgress({ label, doneBytes: earlierBytes + bytes, totalBytes });
    const target = join(folder, wanted.revision, each.path);
    if (!(await isSound(target, each, options.cacheFolder))) {
      const hubFile: HubFile = { repo, revision: wanted.revision, ...each };
      await downloadFile(hubFile, target, { ...options, onBytes });
    }
    earlierBytes += each.bytes;
    onBytes(0);
  }
  await writeWhole(recordPath, JSON.stringify(wanted));
  return place(wanted, folder);
}

/** A single GGUF file is opened as such, everything else as the folder it is in. */
function place(fetched: Fetched, folder: string): string {
  const [first] = fetched.files;
  const base = join(folder, fetched.revision);
  return first && fetched.files.length === 1 ? join(base, first.path) : base;
}

async function readRecord(path: string): Promise<Fetched | undefined> {
  const json = await readJsonIfThere(path, CONFIG_BYTES_MAX).catch(() => undefined);
  return recordSchema.safeParse(json).data;
}

async function isWhole(fetched: Fetched, folder: string, cacheFolder: string): Promise<boolean> {
  for (const file of fetched.files) {
    const path = join(folder, fetched.revision, file.path);
    if (!(await isSound(path, file, cacheFolder))) return false;
  }
  return true;
}

async function askHub(
  repo: string,
  file: string | undefined,
  options: HubFetchOptions,
): Promise<Fetched> {
  // Loaded only when a hub is asked: it takes 30 ms.
  const { listFiles, modelInfo } = await import("@huggingface/hub");
  const common = {
    hubUrl: options.hubUrl,
    ...(options.accessToken === undefined ? {} : { accessToken: options.accessToken }),
    fetch: boundedFetch(options),
  };
  const found: RepoFile[] = [];
  let revision = "";
  try {
    const info = await modelInfo({ name: repo, additionalFields: ["sha"], ...common });
    revision = info.sha;
    let entryCount = 0;
    for await (const entry of listFiles({ repo, revision, recursive: true, ...common })) {
      if (++entryCount > HUB_FILES_MAX)
        throw new FetchError(`holds more than ${HUB_FILES_MAX} files`);
      if (entry.type !== "file" || !isHubPath(entry.path)) continue;
      const { path, size: bytes } = entry;
      found.push({ path, bytes, checksum: checksumOfEntry(entry) });
    }
  } catch (thrown) {
    options.signal?.throwIfAborted();
    throw new FetchError(
      `${repo} could not be looked up at ${options.hubUrl}: ${hubProblem(thrown)}`,
    );
  }
  const parsed = recordSchema.safeParse({ revision, files: chooseFiles(repo, file, found) });
  if (parsed.success) return parsed.data;
  throw new FetchError(`${repo}: the hub's answer is not as expected`);
}

function checksumOfEntry(entry: {
  readonly oid?: string;
  readonly lfs?: { readonly oid: string };
}): Checksum | undefined {
  if (entry.lfs) return { kind: "sha256", hex: entry.lfs.oid };
  return entry.oid === undefined ? undefined : { kind: "git", hex: entry.oid };
}

/** The hub's API with a bound on the wait for each answer. */
function boundedFetch(access: HubAccess): typeof fetch {
  return async (input, init) => {
    const timeout = AbortSignal.timeout(access.silenceMs ?? HUB_SILENCE_MS);
    const signal = access.signal ? AbortSignal.any([access.signal, timeout]) : timeout;
    return await fetch(input, { ...init, signal });
  };
}

function hubProblem(thrown: unknown): string {
  const status =
    thrown instanceof Error && "statusCode" in thrown ? Number(thrown.statusCode) : undefined;
  if (status === 404) return "the hub has no such model (404)";
  if (status === 401 || status === 403) {
    return `the hub has no such model, or it needs a token in HF_TOKEN (${status})`;
  }
  return fetchProblem(thrown);
}

/** The files of the model: the one asked for, else a safetensors model, else the only GGUF file. */
function chooseFiles(
  repo: string,
  file: string | undefined,
  found: readonly RepoFile[],
): readonly RepoFile[] {
  if (file !== undefined) {
    const asked = found.find(({ path }) => path === file);
    if (asked) return [asked];
    throw new FetchError(`${repo} holds no ${file}; it holds ${list(found)}`);
  }
  const byPath = new Map(found.map((each) => [each.path, each]));
  const pick = (paths: readonly string[]) => paths.flatMap((path) => byPath.get(path) ?? []);
  const needed = pick(TOKENIZER_FILES);
  const weights = weightFiles(found);
  if (needed.length === TOKENIZER_FILES.length && weights.length > 0) {
    return [...needed, ...pick(OPTIONAL_FILES), ...weights];
  }
  const ggufs = found.filter(({ path }) => path.endsWith(".gguf"));
  const [only] = ggufs;
  if (only && ggufs.length === 1) return [only];
  if (ggufs.length > 1) {
    throw new FetchError(
      `${repo} holds several models; name one as ${repo}:FILE of ${list(ggufs)}`,
    );
  }
  const problem = "holds no GGUF file and no config.json, tokenizer.json and safetensors";
  throw new FetchError(`${repo} ${problem}`);
}

function weightFiles(found: readonly RepoFile[]): readonly RepoFile[] {
  const index = found.filter(({ path }) => path === INDEX_FILE);
  const isWeight = ({ path }: RepoFile) =>
    index.length > 0 ? /^model[^/]*\.safetensors$/.test(path) : path === SINGLE_FILE;
  const weights = found.filter(isWeight);
  return weights.length === 0 ? [] : [...index, ...weights];
}

function list(files: readonly RepoFile[]): string {
  const shown = files.slice(0, 20).map(({ path }) => path);
  const rest = files.length - shown.length;
  return shown.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}
