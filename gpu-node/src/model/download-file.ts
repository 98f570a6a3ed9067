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

/** Downloads the file to `target`. Throws FetchError when it cannot; what came is kept for the next try. */
export async function downloadFile(
  file: HubFile,
  target: string,
  access: HubAccess & { readonly onBytes: (doneBytes: number) => void },
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
async function fetchRest(
  file: HubFile,
  path: string,
  access: HubAccess & { readonly onBytes: (doneBytes: number) => void },
): Promise<number> {
  const handle = await open(path, "r+");
  try {
    let doneBytes = (await handle.stat()).size;
    if (doneBytes > file.bytes) {
      await handle.truncate(0);
      doneBytes = 0;
    }
    const startBytes = doneBytes;
    access.onBytes(doneBytes);
    let fruitless = 0;
    for (let attempt = 1; doneBytes < file.bytes; attempt++) {
      const beforeBytes = doneBytes;
      try {
        doneBytes = await attemptOnce(file, { handle, doneBytes }, access);
      } catch (thrown) {
        access.signal?.throwIfAborted();
        if (thrown instanceof FetchError) throw thrown;
        doneBytes = (await handle.stat()).size;
        fruitless = doneBytes > beforeBytes ? 0 : fruitless + 1;
        if (fruitless >= HUB_FRUITLESS_ATTEMPTS_MAX || attempt >= HUB_ATTEMPTS_MAX) {
          const progress = `${doneBytes} of ${file.bytes} bytes came`;
          throw new FetchError(`${file.repo}: ${file.path}: ${fetchProblem(thrown)}; ${progress}`);
        }
        const waitMs = Math.min(
          (access.retryMs ?? HUB_RETRY_MS) * 2 ** fruitless,
          HUB_RETRY_MS_MAX,
        );
        await sleep(waitMs, undefined, access.signal ? { signal: access.signal } : {});
      }
    }
    return startBytes;
  } finally {
    await handle.close();
  }
}

/** One request for what is missing; returns the bytes then there. Throws FetchError when a retry is no use. */
async function attemptOnce(
  file: HubFile,
  part: { readonly handle: FileHandle; readonly doneBytes: number },
  access: HubAccess & { readonly onBytes: (doneBytes: number) => void },
): Promise<number> {
  const silence = silenceWatch(access);
  try {
    const response = await request(file, part.doneBytes, access, silence.signal);
    // A server that ignores the range sends everything again.
    let doneBytes = response.status === 206 ? part.doneBytes : 0;
    if (doneBytes === 0) await part.handle.truncate(0);
    if (!response.body) throw new Error("the answer has no content");
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      silence.heard();
      if (doneBytes + chunk.length > file.bytes) {
        throw new FetchError(
          `${file.repo}: ${file.path}: is longer than the ${file.bytes} bytes stated`,
        );
      }
      await writeAll(part.handle, chunk, doneBytes);
      doneBytes += chunk.length;
      access.onBytes(doneBytes);
    }
    if (doneBytes < file.bytes) throw new Error("the connection ended early");
    return doneBytes;
  } finally {
    silence.stop();
  }
}

async function request(
  file: HubFile,
  startBytes: number,
  access: HubAccess,
  signal: AbortSignal,
): Promise<Response> {
  const base = `${access.hubUrl}/${file.repo}/resolve/${encodeURIComponent(file.revision)}`;
  const url = `${base}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
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
