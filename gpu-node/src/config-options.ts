// Owns the node's flags: name, help, default and the schema that checks each. How they are read together is config.ts's.
// Invariant: a message of a schema reads as the end of a sentence about the flag's value.
import { isNodeName } from "@fairlane/protocol";
import { z } from "zod";
import { parseBytes } from "./fleet/byte-size.ts";
import { ADAPTERS_MAX } from "./adapters/limits.ts";
import {
  ADAPTER_SLACK_TOKENS,
  FAIR_CACHED_PERCENT,
  RUNNING_REQUESTS_MAX,
  STEP_BUDGET_TOKENS_MAX,
} from "./limits.ts";

const PAGE_COUNT_MAX = 2 ** 24;
/** The native core's bound on the pool. */
const KV_MEMORY_TIB_MAX = 16;
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

function isWithinMemory(bytes: number | undefined): boolean {
  return bytes === undefined || (bytes >= 1 && bytes <= KV_MEMORY_TIB_MAX * 1024 ** 4);
}

function isSwapSize(bytes: number): boolean {
  return bytes >= 0 && bytes <= KV_MEMORY_TIB_MAX * 1024 ** 4;
}

function parseNamedFolder(text: string) {
  const at = text.indexOf("=");
  const [name, folder] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  return at < 1 || name === "" || folder === "" ? undefined : { name, folder };
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
  attention: "auto",
  kvType: "f16",
  admission: "optimistic",
  admissionOrder: "vtc",
  fairCost: "linear",
  fairCachedPercent: String(FAIR_CACHED_PERCENT),
  swapBytes: "2GiB",
  adapterDtype: "f16",
  adapterHostMemory: "256MiB",
  maxAdaptersPerStep: "64",
  adapterSlackTokens: String(ADAPTER_SLACK_TOKENS),
  maxRunning: "64",
  tbtTargetMs: "100",
  drainTimeoutMs: "20000",
  toolCallFormat: "auto",
  reasoningFormat: "auto",
} as const;

/** Every flag, with what it takes. */
export const OPTIONS = {
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
    help: "int8 (default), or f32 on de-quantised weights, slower (with --isa generic: the reference)",
    schema: z.enum(["int8", "f32"]).default(DEFAULTS.numerics),
  },
  attention: {
    value: "NAME",
    help: "arithmetic of attention: auto (default, as --kernels or the shipped table says), f32, bf16 (values only)",
    schema: z.enum(["auto", "f32", "bf16"]).default(DEFAULTS.attention),
  },
  "kv-type": {
    value: "NAME",
    help: "what K and V are kept in: f16 (default), or int8 for about twice the tokens in the pool",
    schema: z.enum(["f16", "int8"]).default(DEFAULTS.kvType),
  },
  kernels: {
    value: "FILE",
    help: "which CPU kernels serve how many tokens, and attention's arithmetic; written by npm run profile; --print-kernels prints it",
    schema: nonEmpty.optional(),
  },
  threads: {
    value: "N",
    help: "compute threads; default: one per core that this process may use",
    schema: integer(1, THREAD_COUNT_MAX).optional(),
  },
  pin: {
    value: "on|off",
    help: "keep every compute thread on a CPU of its own; off (default) lets the system move them",
    schema: z.enum(["on", "off"]).default("off"),
  },
  "kv-memory": {
    value: "BYTES|auto",
    help: "memory of the page pool, such as 2GiB or 500MB; auto (default): for the running set, within a quarter of what is free",
    schema: z
      .string()
      .transform((text) => (text === "auto" ? undefined : parseBytes(text)))
      .refine(
        isWithinMemory,
        `must be auto, or bytes such as 2GiB, at most ${KV_MEMORY_TIB_MAX}TiB`,
      )
      .optional(),
  },
  "page-count": {
    value: "N",
    help: "pages of the pool, in place of --kv-memory; a page holds 16 tokens",
    schema: integer(1, PAGE_COUNT_MAX).optional(),
  },
  pooling: {
    value: "NAME",
    help: "embeddings: last (position) or mean; default: as the model's file states it, or last",
    schema: z.enum(["last", "mean"]).optional(),
  },
  adapter: {
    value: "NAME=FOLDER",
    help: "LoRA adapter (PEFT) to serve under a name; several times, or several separated by commas",
    schema: z
      .string()
      .transform((text) => text.split(",").map(parseNamedFolder))
      .refine((all) => all.every((one) => one !== undefined), "must be NAME=FOLDER")
      .transform((all) => all.filter((one) => one !== undefined))
      .optional(),
  },
  "adapter-dir": {
    value: "FOLDER",
    help: "folder from whose folders POST /v1/load_lora_adapter loads; default: none, adapters are not loaded at run time",
    schema: nonEmpty.optional(),
  },
  "adapter-dtype": {
    value: "NAME",
    help: "what adapters are kept in: f16 (default), or int8 for half the bytes a step reads",
    schema: z.enum(["f16", "int8"]).default(DEFAULTS.adapterDtype),
  },
  "adapter-host-memory": {
    value: "BYTES",
    help: `memory for adapters beside the pool (default ${DEFAULTS.adapterHostMemory}); 0: those not in the pool are read from disk`,
    schema: z
      .string()
      .prefault(DEFAULTS.adapterHostMemory)
      .transform(parseBytes)
      .refine(isSwapSize, `must be bytes such as 1GiB, at most ${KV_MEMORY_TIB_MAX}TiB`),
  },
  "max-adapters-per-step": {
    value: "N",
    help: `distinct adapters computed at once (default ${DEFAULTS.maxAdaptersPerStep}); requests of others wait for their turn`,
    schema: integer(1, ADAPTERS_MAX).prefault(DEFAULTS.maxAdaptersPerStep),
  },
  "adapter-slack-tokens": {
    value: "N",
    help: `prompt tokens' worth that others may get ahead of a request whose adapter is loading (default ${DEFAULTS.adapterSlackTokens})`,
    schema: integer(0, 1_000_000).prefault(DEFAULTS.adapterSlackTokens),
  },
  admission: {
    value: "NAME",
    help: "optimistic (default: requests may pause when pages run out), or strict (pages for the whole answer first)",
    schema: z.enum(["optimistic", "strict"]).default(DEFAULTS.admission),
  },
  "admission-order": {
    value: "NAME",
    help: "vtc (default: tenants get equal service), or for comparison dlpm, fcfs, rpm, lcf, rr",
    schema: z.enum(["vtc", "dlpm", "fcfs", "rpm", "lcf", "rr"]).default(DEFAULTS.admissionOrder),
  },
  "fair-cost": {
    value: "NAME",
    help: "service is counted linear (default: 1 a prompt token, 2 an output token), or profiled (grows with the context)",
    schema: z.enum(["linear", "profiled"]).default(DEFAULTS.fairCost),
  },
  "fair-cached-percent": {
    value: "N",
    help: `what a cached prompt token counts for, in percent of a computed one (default ${DEFAULTS.fairCachedPercent})`,
    schema: integer(0, 100).prefault(DEFAULTS.fairCachedPercent),
  },
  "swap-bytes": {
    value: "BYTES",
    help: `disk for pages of paused requests, in --state-dir or the temporary folder (default ${DEFAULTS.swapBytes}); 0 = none`,
    schema: z
      .string()
      .prefault(DEFAULTS.swapBytes)
      .transform(parseBytes)
      .refine(isSwapSize, `must be bytes such as 2GiB, at most ${KV_MEMORY_TIB_MAX}TiB`),
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
  "tool-call-format": {
    value: "NAME",
    help: "how the model writes tool calls: auto (default, as its chat template says), hermes, llama3, mistral",
    schema: z.enum(["auto", "hermes", "llama3", "mistral"]).default(DEFAULTS.toolCallFormat),
  },
  "reasoning-format": {
    value: "NAME",
    help: "auto (default, as the chat template says), think (between think tags), none",
    schema: z.enum(["auto", "none", "think"]).default(DEFAULTS.reasoningFormat),
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
