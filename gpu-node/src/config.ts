// Owns the node's configuration: flags first, then FAIRLANE_* variables, then defaults, checked once before anything
// starts. A wrong value ends the start with a sentence that names the flag and what it takes.
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { isNodeName } from "@fairlane/protocol";
import { z } from "zod";
import { cacheFolder } from "./model/cache-folder.ts";
import { OPTIONS } from "./config-options.ts";
import type { FairnessOptions } from "./engine/worker-messages.ts";

/** A configuration that cannot be used; the message is for the operator. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** What a started node goes by. */
export interface NodeConfig {
  /** As given; undefined is the default model. */
  readonly model: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly region: string;
  /** Undefined: the node serves alone. */
  readonly hub: HubConfig | undefined;
  readonly isa: "auto" | "generic" | "avx2" | "avx512vnni";
  readonly numerics: "int8" | "f32";
  readonly attention: "auto" | "f32" | "bf16";
  readonly kvType: "f16" | "int8";
  /** Table of kernels; undefined for the plug-in's own. */
  readonly kernelsPath: string | undefined;
  /** Print that table instead of serving. */
  readonly printsKernels: boolean;
  readonly threadCount: number | undefined;
  /** Keep every compute thread on a CPU of its own. */
  readonly pinsThreads: boolean;
  /** Undefined: from the free memory, or as pageCount says. */
  readonly kvMemoryBytes: number | undefined;
  readonly pageCount: number | undefined;
  readonly admission: "optimistic" | "strict";
  readonly fairness: FairnessOptions;
  readonly adapters: AdapterConfig;
  /** 0: none. */
  readonly swapBytes: number;
  /** Folder that the swap file is made in. */
  readonly swapFolder: string;
  /** Undefined: as the model states it. */
  readonly pooling: "last" | "mean" | undefined;
  readonly runningRequestsMax: number;
  /** Undefined: adaptive, within the target. */
  readonly stepBudgetTokens: number | undefined;
  readonly tbtTargetMs: number;
  readonly stepProfile: string | undefined;
  readonly toolCallFormat: "auto" | "hermes" | "llama3" | "mistral";
  readonly reasoningFormat: "auto" | "none" | "think";
  readonly drainTimeoutMs: number;
  readonly readyFile: string | undefined;
  /** Wanted on /v1 routes when set. */
  readonly apiKey: string | undefined;
}

export interface AdapterConfig {
  /** Served from the start. */
  readonly named: readonly { readonly name: string; readonly folder: string }[];
  /** Undefined: none are loaded at run time. */
  readonly folder: string | undefined;
  readonly elementType: "f16" | "int8";
  /** Of packed adapters. */
  readonly cacheFolder: string;
  readonly hostBytesMax: number;
  readonly distinctCountMax: number;
  readonly slackTokens: number;
}

export interface HubConfig {
  readonly url: string;
  readonly token: string;
  readonly nodeName: string;
  /** Folder of the usage journal. */
  readonly stateFolder: string;
}

type Env = Readonly<Record<string, string | undefined>>;
type OptionName = keyof typeof OPTIONS;
type Values = { [K in OptionName]: z.infer<(typeof OPTIONS)[K]["schema"]> };

const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** Parses flags and environment; throws ConfigError. */
export function parseConfig(args: readonly string[], env: Env): NodeConfig | "help" {
  const flags = parseFlags(args);
  if (flags["help"] === true) return "help";
  const given: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) given[name] = flags[name] ?? (env[envName(name)] || undefined);
  const values = checkValues(given);
  const hub = hubConfig(values, env);
  const stateFolder = values["state-dir"];
  return {
    model: values.model,
    host: values.host,
    port: values.port,
    region: values.region,
    hub,
    isa: values.isa,
    numerics: values.numerics,
    attention: values.attention,
    kvType: values["kv-type"],
    kernelsPath: values.kernels && resolve(values.kernels),
    printsKernels: flags["print-kernels"] === true,
    threadCount: values.threads,
    pinsThreads: values.pin === "on",
    kvMemoryBytes: kvMemoryOf(values),
    pageCount: values["page-count"],
    admission: values.admission,
    fairness: {
      order: values["admission-order"],
      cost: values["fair-cost"],
      cachedPercent: values["fair-cached-percent"],
    },
    adapters: {
      named: (values.adapter ?? []).map((one) => ({ ...one, folder: resolve(one.folder) })),
      folder: values["adapter-dir"] && resolve(values["adapter-dir"]),
      elementType: values["adapter-dtype"],
      cacheFolder: join(cacheFolder(env), "adapters"),
      hostBytesMax: values["adapter-host-memory"],
      distinctCountMax: values["max-adapters-per-step"],
      slackTokens: values["adapter-slack-tokens"],
    },
    swapBytes: values["swap-bytes"],
    swapFolder: hub?.stateFolder ?? (stateFolder === undefined ? tmpdir() : resolve(stateFolder)),
    pooling: values.pooling,
    runningRequestsMax: values["max-running"],
    stepBudgetTokens: values["step-budget-tokens"],
    tbtTargetMs: values["tbt-target-ms"],
    stepProfile: values["step-profile"] && resolve(values["step-profile"]),
    toolCallFormat: values["tool-call-format"],
    reasoningFormat: values["reasoning-format"],
    drainTimeoutMs: values["drain-timeout-ms"],
    readyFile: values["ready-file"] && resolve(values["ready-file"]),
    apiKey: env["FAIRLANE_NODE_API_KEY"] || undefined,
  };
}

/** The text of --help. */
export function helpText(): string {
  const lines = OPTION_NAMES.map((name) => {
    const flag = `--${name} ${OPTIONS[name].value}`;
    return `  ${flag.padEnd(28)} ${OPTIONS[name].help}`;
  });
  return [
    "fairlane-node: serves one language model over an OpenAI-compatible API, alone or for a hub.",
    "",
    "Usage: fairlane-node [--model FILE|FOLDER|ID] [flags]",
    "",
    ...lines,
    "",
    "Each flag has a variable: --page-count is FAIRLANE_PAGE_COUNT. By variable only:",
    "  FAIRLANE_NODE_TOKEN          bearer token for the hub",
    "  FAIRLANE_NODE_API_KEY        key that clients of this node's own API must send",
    "  FAIRLANE_CACHE_DIR           folder of fetched models (default $XDG_CACHE_HOME/fairlane)",
    "",
  ].join("\n");
}

function envName(flag: string): string {
  return `FAIRLANE_${flag.toUpperCase().replaceAll("-", "_")}`;
}

function parseFlags(args: readonly string[]): Record<string, string | boolean | undefined> {
  const options: Record<string, { type: "string" | "boolean"; multiple?: boolean }> = {
    help: { type: "boolean" },
    "print-kernels": { type: "boolean" },
  };
  for (const name of OPTION_NAMES) options[name] = { type: "string" };
  options["adapter"] = { type: "string", multiple: true };
  try {
    const { values } = parseArgs({
      args: [...args],
      options,
      strict: true,
      allowPositionals: false,
    });
    return Object.fromEntries(
      // A list is as if it had been given at once.
      Object.entries(values).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(",") : value,
      ]),
    );
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`${why} See --help.`, { cause });
  }
}

function checkValues(given: Record<string, unknown>): Values {
  const shape = Object.fromEntries(OPTION_NAMES.map((name) => [name, OPTIONS[name].schema]));
  const parsed = z.object(shape).safeParse(given);
  if (parsed.success) return parsed.data as Values;
  const sentences = parsed.error.issues.map((issue) => {
    const name = String(issue.path[0]);
    return `--${name} (or ${envName(name)}) is '${String(given[name])}': ${issue.message}.`;
  });
  throw new ConfigError(sentences.join(" "));
}

function kvMemoryOf(values: Values): number | undefined {
  const [bytes, pageCount] = [values["kv-memory"], values["page-count"]];
  if (bytes === undefined || pageCount === undefined) return bytes;
  throw new ConfigError(
    "--kv-memory and --page-count both say how large the pool is: give one of them.",
  );
}

function hubConfig(values: Values, env: Env): HubConfig | undefined {
  const url = values["hub-url"];
  if (url === undefined) return undefined;
  const token = env["FAIRLANE_NODE_TOKEN"];
  if (!token) throw new ConfigError("--hub-url needs a node token in FAIRLANE_NODE_TOKEN.");
  // `fln1_<node name>_<secret>_<mac>`; whether it is genuine is the hub's to say.
  const tokenName = token.split("_")[1] ?? "";
  if (!token.startsWith("fln1_") || !isNodeName(tokenName)) {
    throw new ConfigError(
      "FAIRLANE_NODE_TOKEN is not a node token: it must begin with fln1_NAME_.",
    );
  }
  const nodeName = values["node-name"] ?? tokenName;
  if (nodeName !== tokenName) {
    throw new ConfigError(
      `--node-name is '${nodeName}', but FAIRLANE_NODE_TOKEN was made for '${tokenName}'.`,
    );
  }
  const stateFolder = values["state-dir"] ?? join(stateHome(env), "fairlane", nodeName);
  return { url, token, nodeName, stateFolder: resolve(stateFolder) };
}

function stateHome(env: Env): string {
  return env["XDG_STATE_HOME"] || join(homedir(), ".local", "state");
}
