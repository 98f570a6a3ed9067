// Owns reading the small text files of a model folder: never more than a stated number of bytes, valid UTF-8,
// and JSON objects only, of a schema where one is given. A missing file is `undefined` or a ModelError, as the caller needs it.
import { open, type FileHandle } from "node:fs/promises";
import type { z } from "zod";
import { errorText, ModelError } from "./model-error.ts";

/** The file's text, or undefined when it does not exist. */
export async function readTextIfThere(file: string, bytesMax: number): Promise<string | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(file, "r");
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw new ModelError(file, "file", errorText(thrown));
  }
  try {
    const fileStat = await handle.stat();
    if (!fileStat.isFile()) throw new ModelError(file, "file", "is not a regular file");
    if (fileStat.size > bytesMax) {
      throw new ModelError(file, "file", `has ${fileStat.size} bytes, more than ${bytesMax}`);
    }
    const bytes = new Uint8Array(fileStat.size);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    return decodeUtf8(file, bytes.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

/** The JSON object in the file, or undefined when the file does not exist. */
export async function readJsonIfThere(
  file: string,
  bytesMax: number,
): Promise<Record<string, unknown> | undefined> {
  const text = await readTextIfThere(file, bytesMax);
  return text === undefined ? undefined : parseJsonObject(file, text);
}

/** The JSON object in the file; a ModelError when the file does not exist. */
export async function readJson(file: string, bytesMax: number): Promise<Record<string, unknown>> {
  const value = await readJsonIfThere(file, bytesMax);
  if (!value) throw new ModelError(file, "file", "is missing");
  return value;
}

/** Parses JSON whose outermost value must be an object. */
export function parseJsonObject(file: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new ModelError(file, "JSON", errorText(thrown));
  }
  if (!isRecord(value)) throw new ModelError(file, "JSON", "is not an object");
  return value;
}

/** Decodes UTF-8 strictly; a byte order mark stays and is no JSON. */
export function decodeUtf8(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ModelError(file, "text", "is not UTF-8");
  }
}

/** Checks JSON of a model's file; the error names the first field that is wrong. */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  file: string,
  json: unknown,
): z.infer<Schema> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const subject = issue?.path.join(".") || "JSON";
  throw new ModelError(file, subject, issue?.message ?? "is not as expected");
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for the error of a file or folder that does not exist. */
export function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
}
