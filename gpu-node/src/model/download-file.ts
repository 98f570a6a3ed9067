// Owns bringing one file of a model hub here: resumes where it stopped (within this run, or where an earlier
// one was cut), checks size and checksum, and moves the file into place whole. Every wait is bounded.
import { open, rm, type FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { checksumOf, type Checksum } from "./checksum.ts";
import { FetchError, fetchProblem } from "./fetch-error.ts";
import {
  HUB_ATTEMPTS_MAX,
  HUB_FRUITLESS_ATTEMPTS_MAX,
  HUB_RETRY_MS,
  HUB_RETRY_MS_MAX,
  HUB_SILENCE_MS,
} from "./limits.ts";
import { claimPartial, releasePartial } from "./partial-file.ts";
import { placeFile } from "./place-file.ts";

/** A file as a hub describes it, at a fixed revision. */
export interface HubFile {
  readonly repo: string;
  readonly revision: string;
  readonly path: string;
  readonly bytes: number;
  /** Where it is when not where Hugging Face's hub has files. */
  readonly url?: string;
  /** Undefined when the hub states none: then only the size is checked. */
  readonly checksum?: Checksum | undefined;
}

export interface HubAccess {
  readonly hubUrl: string;
  readonly accessToken: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** First wait between attempts. */
  readonly retryMs?: number;
  readonly silenceMs?: number;
}

export interface FileAccess extends HubAccess {
  /** Hears how many bytes are here. */
  readonly onBytes: (doneBytes: number) => void;
}

/** Downloads the file to `target`. Throws FetchError when it cannot; what came is kept for the next try. */
export async function downloadFile(
  file: HubFile,
  target: string,
  access: FileAccess,
): Promise<void> {
  const checksum = file.checksum?.hex ?? `${file.repo}@${file.revision}:${file.path}`;
  const key = { target, content: `${checksum}:${file.bytes}` };
  // A second round only when the first went on from an older part and the whole is wrong.
  for (let round = 1; ; round++) {
    const path = await claimPartial(key);
    const startBytes = await fetchRest(file, path, access).catch(async (thrown: unknown) => {
      await releasePartial(key, path);
      throw thrown;
    });
    const actual = file.checksum && (await checksumOf(path, file.checksum.kind));
    if (actual === file.checksum?.hex) return await placeFile(path, target);
    await rm(path, { force: true });
    if (startBytes > 0 && round === 1) continue;
    const problem = `checksum ${actual} is not ${file.checksum?.hex}, which the hub states`;
    throw new FetchError(`${file.repo}: ${file.path}: ${problem}`);
  }
}

/** Appends to the partial file until it is whole; returns how many bytes it began with. */
async function fetchRest(file: HubFile, path: string, access: FileAccess): Promise<number> {
  const handle = await open(path, "r+");
  try {
    const foundBytes = (await handle.stat()).size;
    const startBytes = foundBytes > file.bytes ? 0 : foundBytes;
    await handle.truncate(startBytes);
    access.onBytes(startBytes);
    let doneBytes = startBytes;
    let fruitless = 0;
    for (let attempt = 1; doneBytes < file.bytes; attempt++) {
      const outcome = await attemptOnce(file, { handle, doneBytes }, access);
      fruitless = outcome.doneBytes > doneBytes ? 0 : fruitless + 1;
      doneBytes = outcome.doneBytes;
      if (doneBytes === file.bytes) break;
      if (fruitless >= HUB_FRUITLESS_ATTEMPTS_MAX || attempt >= HUB_ATTEMPTS_MAX) {
        const progress = `${doneBytes} of ${file.bytes} bytes came`;
        throw new FetchError(`${file.repo}: ${file.path}: ${outcome.problem}; ${progress}`);
      }
      const waitMs = Math.min((access.retryMs ?? HUB_RETRY_MS) * 2 ** fruitless, HUB_RETRY_MS_MAX);
      await sleep(waitMs, undefined, access.signal ? { signal: access.signal } : {});
    }
    return startBytes;
  } finally {
    await handle.close();
  }
}

/** One request for what is missing: the bytes then there, and why it ended. Throws where a retry is no use. */
async function attemptOnce(
  file: HubFile,
  part: { readonly handle: FileHandle; readonly doneBytes: number },
  access: FileAccess,
): Promise<{ readonly doneBytes: number; readonly problem: string }> {
  const silence = silenceWatch(access);
  try {
    const response = await request(
      file,
      { startBytes: part.doneBytes, signal: silence.signal },
      access,
    );
    await receive(file, { response, ...part, heard: silence.heard }, access);
    return { doneBytes: (await part.handle.stat()).size, problem: "the connection ended early" };
  } catch (thrown) {
    access.signal?.throwIfAborted();
    if (thrown instanceof FetchError) throw thrown;
    return { doneBytes: (await part.handle.stat()).size, problem: fetchProblem(thrown) };
  } finally {
    silence.stop();
  }
}

/** Writes what the answer brings behind what is there. */
async function receive(
  file: HubFile,
  part: {
    readonly response: Response;
    readonly handle: FileHandle;
    readonly doneBytes: number;
    readonly heard: () => void;
  },
  access: FileAccess,
): Promise<void> {
  const { response, handle } = part;
  // A server that ignores the range sends everything again.
  let doneBytes = response.status === 206 ? part.doneBytes : 0;
  if (doneBytes === 0) await handle.truncate(0);
  if (!response.body) throw new Error("the answer has no content");
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    part.heard();
    if (doneBytes + chunk.length > file.bytes) {
      const problem = `is longer than the ${file.bytes} bytes stated`;
      throw new FetchError(`${file.repo}: ${file.path}: ${problem}`);
    }
    await writeAll(handle, chunk, doneBytes);
    doneBytes += chunk.length;
    access.onBytes(doneBytes);
  }
}

async function request(
  file: HubFile,
  options: { readonly startBytes: number; readonly signal: AbortSignal },
  access: HubAccess,
): Promise<Response> {
  const { startBytes, signal } = options;
  const base = `${access.hubUrl}/${file.repo}/resolve/${encodeURIComponent(file.revision)}`;
  const url = file.url ?? `${base}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (startBytes > 0) headers["range"] = `bytes=${startBytes}-`;
  if (access.accessToken) headers["authorization"] = `Bearer ${access.accessToken}`;
  const response = await fetch(url, { headers, signal });
  if (response.ok) return response;
  await response.body?.cancel();
  const problem = `${file.repo}: ${file.path}: the hub answers ${response.status}`;
  const isPassing = response.status >= 500 || [408, 416, 429].includes(response.status);
  throw isPassing ? new Error(problem) : new FetchError(problem);
}

/** A signal that fires when nothing is heard for too long, or when the caller gives up. */
function silenceWatch(access: HubAccess) {
  const silenceMs = access.silenceMs ?? HUB_SILENCE_MS;
  const controller = new AbortController();
  const fire = () => controller.abort(new Error(`the hub was silent for ${silenceMs / 1000} s`));
  let timer = setTimeout(fire, silenceMs);
  return {
    signal: access.signal ? AbortSignal.any([access.signal, controller.signal]) : controller.signal,
    heard: () => {
      clearTimeout(timer);
      timer = setTimeout(fire, silenceMs);
    },
    stop: () => clearTimeout(timer),
  };
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await handle.write(
      chunk,
      written,
      chunk.length - written,
      position + written,
    );
    written += bytesWritten;
  }
}
