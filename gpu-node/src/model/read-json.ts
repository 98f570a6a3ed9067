// Owns reading the JSON files of a model folder: objects only, of a schema where one is given. A ModelError names
// the first field that is wrong.
import type { z } from "zod";
import { errorText, ModelError } from "./model-error.ts";
import { readTextIfThere } from "./read-text.ts";

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
