// Owns the node's log: one event per line on stderr, JSON for machines or short text on a terminal. Fields carry ids,
// counts and reasons; prompt and answer text, keys and tokens never enter a log call.

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface LogOptions {
  /** Takes one finished line, without line feed. */
  readonly write: (line: string) => void;
  readonly form: "json" | "text";
  readonly nowMs: () => number;
  /** Fields of every line. */
  readonly base?: LogFields;
}

type Level = "info" | "warn" | "error";

/** Makes a log. */
export function makeLog(options: LogOptions): Log {
  const line = (level: Level, event: string, fields: LogFields = {}): void => {
    const at = new Date(options.nowMs()).toISOString();
    if (options.form === "json") {
      options.write(JSON.stringify({ at, level, event, ...options.base, ...fields }));
    } else {
      options.write(`${at.slice(11, 23)} ${level.padEnd(5)} ${event}${textFields(fields)}`);
    }
  };
  return {
    info: (event, fields) => line("info", event, fields),
    warn: (event, fields) => line("warn", event, fields),
    error: (event, fields) => line("error", event, fields),
  };
}

function textFields(fields: LogFields): string {
  let text = "";
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${JSON.stringify(value)}`;
  }
  return text;
}

/** A log that drops everything, for tests and tools. */
export const SILENT_LOG: Log = { info: () => {}, warn: () => {}, error: () => {} };

/** What of an unexpected error may be logged: kind and place; its message could carry a prompt. */
export function faultFields(error: unknown): { readonly fault: string; readonly at: string } {
  if (!(error instanceof Error)) return { fault: typeof error, at: "" };
  const frames = (error.stack ?? "").split("\n").filter((line) => line.startsWith("    at "));
  const at = frames.slice(0, 4).map((line) => line.trim());
  return { fault: error.name, at: at.join(" < ") };
}
