// Owns POST /v1/load_lora_adapter and /v1/unload_lora_adapter of a stand-alone node, in vLLM's shapes. Invariant: only
// folders inside the one that the operator named are ever read, links resolved.
import { realpath } from "node:fs/promises";
import { isAbsolute, relative, resolve } from "node:path";
import { AppError } from "@fairlane/protocol";
import { z } from "zod";
import type { AdapterLibrary } from "../adapters/adapter-library.ts";
import { ADAPTER_NAME_CHARS_MAX } from "../adapters/limits.ts";
import { modelNotFound } from "../request/prepare-request.ts";
import { sendText, type Exchange } from "./exchange.ts";
import { ADAPTER_PATH_CHARS_MAX } from "./limits.ts";
import type { JsonBodyReader } from "./read-json-body.ts";

export interface AdapterRouteParts {
  readonly bodies: JsonBodyReader;
  /** Null until the model is open. */
  readonly library: () => AdapterLibrary | null;
  /** Undefined: adapters are not loaded at run time. */
  readonly folder: string | undefined;
}

const name = z.string().min(1, "must not be empty").max(ADAPTER_NAME_CHARS_MAX, "is too long");
const loadSchema = z.object({
  lora_name: name,
  lora_path: z.string().min(1, "must not be empty").max(ADAPTER_PATH_CHARS_MAX, "is too long"),
});
// vLLM takes lora_int_id as well, and ignores it.
const unloadSchema = z.object({ lora_name: name });

/** Loads the adapter in a folder under a name. */
export async function loadAdapter(exchange: Exchange, parts: AdapterRouteParts): Promise<void> {
  const { library, folder } = openParts(parts);
  const body = parse(loadSchema, await parts.bodies.read(exchange.request));
  const path = await pathWithin(folder, body.lora_path);
  await library.add({ name: body.lora_name, folder: path });
  say(exchange, `Success: LoRA adapter '${body.lora_name}' added successfully.`);
}

/** Takes a name away; requests that run or wait with it are finished. */
export async function unloadAdapter(exchange: Exchange, parts: AdapterRouteParts): Promise<void> {
  const { library } = openParts(parts);
  const body = parse(unloadSchema, await parts.bodies.read(exchange.request));
  if (!library.remove(body.lora_name)) throw AppError.of(modelNotFound(body.lora_name));
  say(exchange, `Success: LoRA adapter '${body.lora_name}' removed successfully.`);
}

function openParts({ library, folder }: AdapterRouteParts) {
  if (folder === undefined) {
    const message =
      "This node loads no adapters at run time: it was started without --adapter-dir.";
    throw new AppError("not_found", message);
  }
  const opened = library();
  if (opened === null) throw new AppError("overloaded", "The model is not loaded yet.");
  return { library: opened, folder };
}

async function pathWithin(folder: string, path: string): Promise<string> {
  const refused = new AppError(
    "invalid_value",
    "lora_path is no folder in the node's --adapter-dir.",
    {
      param: "lora_path",
    },
  );
  try {
    const [root, found] = await Promise.all([realpath(folder), realpath(resolve(folder, path))]);
    const within = relative(root, found);
    const isInside = within !== ".." && !within.startsWith("../") && !isAbsolute(within);
    if (isInside) return found;
  } catch {
    // Whether something exists outside is nobody's to know.
    throw refused;
  }
  throw refused;
}

function parse<Schema extends z.ZodType>(schema: Schema, json: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = issue?.path.join(".") ?? "";
  const what = param === "" ? "The body" : param;
  throw new AppError("invalid_value", `${what}: ${issue?.message ?? "is not as expected"}.`, {
    param: param === "" ? null : param,
  });
}

function say(exchange: Exchange, text: string): void {
  sendText(exchange, { status: 200, type: "text/plain; charset=utf-8", text });
}
