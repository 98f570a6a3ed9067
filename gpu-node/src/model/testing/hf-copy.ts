// Owns copies of the tiny Hugging Face fixture that tests change: its JSON files edited, its weights split into
// two files with an index. For tests only.
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { temporaryFolder } from "./corrupt-copy.ts";

export const TINY_HF = resolve(import.meta.dirname, "../../../../test/fixtures/tiny-llama/hf");

type Json = Record<string, unknown>;

/** A copy of the fixture in a temporary folder. */
export async function hfCopy(): Promise<{ readonly path: string } & AsyncDisposable> {
  const folder = await temporaryFolder();
  await cp(TINY_HF, folder.path, { recursive: true });
  return folder;
}

/** Rewrites one of the folder's JSON files. */
export async function editJson(folder: string, name: string, edit: (json: Json) => Json) {
  const path = join(folder, name);
  const json = JSON.parse(await readFile(path, "utf8")) as Json;
  await writeFile(path, JSON.stringify(edit(json)));
}

/** Writes a safetensors file of the given header and data. */
export async function writeSafetensors(path: string, header: unknown, data: Uint8Array) {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, data]));
}

/** Splits model.safetensors into two files and an index, as large models are published. */
export async function splitWeights(folder: string): Promise<Record<string, string>> {
  const whole = await readFile(join(folder, "model.safetensors"));
  const headerBytes = Number(whole.readBigUInt64LE());
  const header = JSON.parse(whole.subarray(8, 8 + headerBytes).toString()) as Json;
  const weightMap: Record<string, string> = {};
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  for (const part of [0, 1]) {
    const fileName = `model-0000${part + 1}-of-00002.safetensors`;
    const entries: Json = {};
    const pieces: Uint8Array[] = [];
    let offset = 0;
    for (const name of names.filter((_, index) => index % 2 === part)) {
      const entry = header[name] as { data_offsets: [number, number] };
      const [begin, end] = entry.data_offsets;
      entries[name] = { ...entry, data_offsets: [offset, offset + end - begin] };
      pieces.push(whole.subarray(8 + headerBytes + begin, 8 + headerBytes + end));
      offset += end - begin;
      weightMap[name] = fileName;
    }
    await writeSafetensors(join(folder, fileName), entries, Buffer.concat(pieces));
  }
  await writeIndex(folder, weightMap);
  await rm(join(folder, "model.safetensors"));
  return weightMap;
}

/** Writes model.safetensors.index.json. */
export async function writeIndex(folder: string, weightMap: Record<string, unknown>) {
  const path = join(folder, "model.safetensors.index.json");
  await writeFile(path, JSON.stringify({ metadata: {}, weight_map: weightMap }));
}
