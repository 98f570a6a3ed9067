// Owns bringing an adapter's two files here from the hub that submitted a request with it. What came is kept when a pull
// fails, so that the next one goes on from there. What the files are is the library's to check: by their digest.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  ADAPTER_FILES,
  protocolLimits,
  type AdapterFile,
  type SubmitAdapter,
} from "@fairlane/protocol";
import { downloadFile } from "../model/download-file.ts";
import { FetchError } from "../model/fetch-error.ts";
import { ADAPTER_CONFIG_TIMEOUT_MS } from "./limits.ts";

export interface AdapterHub {
  /** As nodes dial it: ws:// or wss://. */
  readonly hubUrl: string;
  readonly token: string;
  /** First wait between attempts; the model layer's when absent. */
  readonly retryMs?: number;
}

const [CONFIG_FILE, WEIGHTS_FILE] = ADAPTER_FILES;

/** Pulls both files into `folder`. Throws FetchError. */
export async function pullAdapter(
  adapter: SubmitAdapter,
  folder: string,
  access: { readonly hub: AdapterHub; readonly signal: AbortSignal },
): Promise<void> {
  const { hub, signal } = access;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, CONFIG_FILE), await pullConfig(adapter, hub, signal));
  const file = {
    repo: "adapter",
    revision: adapter.digest,
    path: WEIGHTS_FILE,
    bytes: adapter.bytes,
    url: urlOf(adapter, WEIGHTS_FILE, hub),
  };
  await downloadFile(file, join(folder, WEIGHTS_FILE), {
    hubUrl: hub.hubUrl,
    accessToken: hub.token,
    signal,
    onBytes: () => {},
    ...(hub.retryMs === undefined ? {} : { retryMs: hub.retryMs }),
  });
}

/** The configuration: small, and read whole or not at all. */
async function pullConfig(
  adapter: SubmitAdapter,
  hub: AdapterHub,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(ADAPTER_CONFIG_TIMEOUT_MS)]);
  const headers = { authorization: `Bearer ${hub.token}` };
  const response = await fetch(urlOf(adapter, CONFIG_FILE, hub), { headers, signal: within });
  if (!response.ok) {
    await response.body?.cancel();
    throw new FetchError(`adapter: ${CONFIG_FILE}: the hub answers ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let doneBytes = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    doneBytes += part.length;
    if (doneBytes > protocolLimits.ADAPTER_CONFIG_BYTES_MAX) {
      throw new FetchError(`adapter: ${CONFIG_FILE}: is longer than allowed`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function urlOf(
  { digest, source }: SubmitAdapter,
  file: AdapterFile,
  { hubUrl }: AdapterHub,
): string {
  const base = hubUrl.replace(/^ws/, "http").replace(/\/+$/, "");
  return `${base}/wire/v1/adapters/${digest}/${file}?source=${encodeURIComponent(source)}`;
}
