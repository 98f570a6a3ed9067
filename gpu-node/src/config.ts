// Owns the node's configuration: flags first, then FAIRLANE_* variables, then defaults, checked once before anything
// starts. A wrong value ends the start with a sentence that names the flag and what it takes.
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { isNodeName } from "@fairlane/protocol";
import { z } from "zod";
import { RUNNING_REQUESTS_MAX, STEP_BUDGET_TOKENS_MAX } from "./limits.ts";

/** A configuration that cannot be used; the message is for the operator. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const PAGE_COUNT_MAX = 2 ** 24;
const THREAD_COUNT_MAX = 1_024;
const TBT_TARGET_MS_MAX = 60_000;
const DRAIN_TIMEOUT_MS_MAX = 3_600_000;

const nonEmpty = z.string().min(1, "must not be empty");

function integer(min: number, max: number) {
  return z.coerce
    .string()
    .regex(/^\d{1,15}$/, `must be an integer from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be an integer from ${min} to ${max}`);
}

function webSocketUrl(text: string): boolean {
  const url = URL.parse(text);
  return (url?.protocol === "ws:" || url?.protocol === "wss:") && url.search === "";
}

interface Option {
  /** Name of the flag's value in the help; absent for switches. */
  readonly value: string;
  readonly help: string;
  readonly schema: z.ZodType;
}

const DEFAULTS = {
  host: "127.0.0.1",
  port: "8790",
  region: "local",
  isa: "auto",
  numerics: "int8",
  admission: "optimistic",
  maxRunning: "64",
  tbtTargetMs: "100",
  drainTimeoutMs: "20000",
} as const;

const OPTIONS = {
  model: {
    value: "FILE|FOLDER|ID",
    help: "GGUF file, Hugging Face folder or hub id; default: SmolLM2-135M-Instruct, fetched once",
    schema: nonEmpty.optional(),
  },
  host: {
    value: "ADDRESS",
    help: `address to listen on (default ${DEFAULTS.host}); the node alone has no tenants and no accounting`,
    schema: nonEmpty.default(DEFAULTS.host),
  },
  port: {
    value: "N",
    help: `port to listen on (default ${DEFAULTS.port}), 0 = any free one`,
    schema: integer(0, 65_535).prefault(DEFAULTS.port),
  },
  "hub-url": {
    value: "URL",
    help: "hub to dial, ws://HOST:PORT or wss://...; the node token comes from FAIRLANE_NODE_TOKEN",
    schema: z
      .string()
      .refine(webSocketUrl, "must be a ws:// or wss:// address without a query")
      .optional(),
  },
  "node-name": {
    value: "NAME",
    help: "1 to 32 of a-z, 0-9, '-'; default: the name in the node token",
    schema: z
      .string()
      .refine(isNodeName, "must be 1 to 32 characters of a-z, 0-9 and -")
      .optional(),
  },
  region: {
    value: "NAME",
    help: `region of the hub (default ${DEFAULTS.region})`,
    schema: nonEmpty.max(256).default(DEFAULTS.region),
  },
  "state-dir": {
    value: "FOLDER",
    help: "folder of the usage journal, one per node; default: $XDG_STATE_HOME/fairlane/NODE-NAME",
    schema: nonEmpty.optional(),
  },
  isa: {
    value: "NAME",
    help: "CPU plug-in: auto (default), generic, avx2, avx512vnni",
    schema: z.enum(["auto", "generic", "avx2", "avx512vnni"]).default(DEFAULTS.isa),
  },
  numerics: {
    value: "NAME",
    help: "int8 (default), or f32 for the slow reference on de-quantised weights (generic only)",
    schema: z.enum(["int8", "f32"]).default(DEFAULTS.numerics),
  },
  threads: {
    value: "N",
    help: "compute threads; default: one per core that this process may use",
    schema: integer(1, THREAD_COUNT_MAX).optional(),
  },
  "page-count": {
    value: "N",
    help: "KV pages of 16 tokens; default: from the free memory",
    schema: integer(1, PAGE_COUNT_MAX).optional(),
  },
  admission: {
    value: "NAME",
    help: "optimistic (default: requests may pause when pages run out), or strict (pages for the whole answer first)",
    schema: z.enum(["optimistic", "strict"]).default(DEFAULTS.admission),
  },
  "max-running": {
    value: "N",
    help: `requests computed at once (default ${DEFAULTS.maxRunning})`,
    schema: integer(1, RUNNING_REQUESTS_MAX).prefault(DEFAULTS.maxRunning),
  },
  "step-budget-tokens": {
    value: "N",
    help: "fixed tokens of one step; default: as many as meet the target of --tbt-target-ms",
    schema: integer(1, STEP_BUDGET_TOKENS_MAX).optional(),
  },
  "tbt-target-ms": {
    value: "MS",
    help: `time between two tokens that prefills of others may cause (default ${DEFAULTS.tbtTargetMs})`,
    schema: integer(1, TBT_TARGET_MS_MAX).prefault(DEFAULTS.tbtTargetMs),
  },
  "step-profile": {
    value: "FILE",
    help: "measured step times, written by npm run profile; default: a short measurement at the start",
    schema: nonEmpty.optional(),
  },
  "drain-timeout-ms": {
    value: "MS",
    help: `time that running requests get after SIGTERM (default ${DEFAULTS.drainTimeoutMs})`,
    schema: integer(0, DRAIN_TIMEOUT_MS_MAX).prefault(DEFAULTS.drainTimeoutMs),
  },
  "ready-file": {
    value: "FILE",
    help: "file to write the node's address and facts to, as JSON, once it is ready",
    schema: nonEmpty.optional(),
  },
} as const satisfies Record<string, Option>;

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
  readonly threadCount: number | undefined;
  readonly pageCount: number | undefined;
  readonly admission: "optimistic" | "strict";
  readonly runningRequestsMax: number;
  /** Undefined: adaptive, within the target. */
  readonly stepBudgetTokens: number | undefined;
  readonly tbtTargetMs: number;
  readonly stepProfile: string | undefined;
  readonly drainTimeoutMs: number;
  readonly readyFile: string | undefined;
  /** Wanted on /v1 routes when set. */
  readonly apiKey: string | undefined;
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
  return {
    model: values.model,
    host: values.host,
    port: values.port,
    region: values.region,
    hub: hubConfig(values, env),
    isa: values.isa,
    numerics: values.numerics,
    threadCount: values.threads,
    pageCount: values["page-count"],
    admission: values.admission,
    runningRequestsMax: values["max-running"],
    stepBudgetTokens: values["step-budget-tokens"],
    tbtTargetMs: values["tbt-target-ms"],
    stepProfile: values["step-profile"] && resolve(values["step-profile"]),
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
  const options: Record<string, { type: "string" | "boolean" }> = { help: { type: "boolean" } };
  for (const name of OPTION_NAMES) options[name] = { type: "string" };
  try {
    const { values } = parseArgs({
      args: [...args],
      options,
      strict: true,
      allowPositionals: false,
    });
    return values;
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
