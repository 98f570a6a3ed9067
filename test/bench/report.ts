// Owns how a bench speaks: a table for people, and as the last line one JSON object for programs. Invariant: a metric
// that could not be measured is an error, never a number.
import { cpus, totalmem } from "node:os";

export interface ScenarioResult {
  readonly scenario: string;
  /** Heads and rows of the table, besides the metrics. */
  readonly facts: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly peer: Readonly<Record<string, number | string>>;
}

const GIB = 2 ** 30;

/** The machine in the words that a figure needs beside it. */
function machineOf() {
  const all = cpus();
  return {
    cpu: all[0]?.model ?? "unknown",
    cores: all.length,
    memory_gib: Math.round(totalmem() / GIB),
    node: process.version,
  };
}

/** Three significant digits for people. */
function shown(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** The table. */
export function tableOf({ scenario, facts, metrics }: ScenarioResult): string {
  const rows = [
    ...Object.entries(facts),
    ...Object.entries(metrics).map(([name, value]) => [name, shown(value)] as const),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
  return `${scenario}\n${lines.join("\n")}\n`;
}

/** The JSON object, on one line. */
export function jsonOf(result: ScenarioResult, options: { readonly busy: boolean }): string {
  const unmeasured = Object.entries(result.metrics).filter(([, value]) => !Number.isFinite(value));
  if (unmeasured.length > 0) {
    throw new Error(`not measured: ${unmeasured.map(([name]) => name).join(", ")}`);
  }
  const { scenario, metrics, peer } = result;
  const object = { scenario, metrics, machine: machineOf(), peer };
  return JSON.stringify(options.busy ? { ...object, busy: true } : object);
}
