// Owns the meaning of `--model`: the default model, a place on this machine, or a model of a hub. A place that
// exists always wins over a hub id of the same spelling.
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { FetchError } from "./fetch-error.ts";

export type ModelSource =
  | { readonly kind: "default" }
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "hub"; readonly repo: string; readonly file: string | undefined };

// Names as hubs allow them; no part may begin with a dot, so none leads out of a folder.
const NAME = "[A-Za-z0-9_][A-Za-z0-9._-]{0,95}";
const HUB_ID = new RegExp(`^(${NAME}/${NAME})(?::(${NAME}(?:/${NAME}){0,4}))?$`);

/** True for a file's path inside a hub repository that may become a path here. */
export function isHubPath(path: string): boolean {
  return new RegExp(`^${NAME}(?:/${NAME}){0,4}$`).test(path);
}

/** Reads what follows `--model`. Throws FetchError when it is none of the three. */
export async function readModelSource(text: string): Promise<ModelSource> {
  if (text === "default") return { kind: "default" };
  if (await exists(text)) return { kind: "path", path: resolve(text) };
  const [, repo, file] = HUB_ID.exec(text) ?? [];
  if (repo !== undefined) return { kind: "hub", repo, file };
  throw new FetchError(
    `--model ${text}: there is no such file or folder, and it is no hub id either; ` +
      `give a GGUF file, a Hugging Face folder, a hub id (org/name or org/name:file.gguf) or "default".`,
  );
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
