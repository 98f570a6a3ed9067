// Owns the reading of Prometheus's text form in tests, as strict as the format's own checker: what a scraper would refuse,
// or a linter of metrics would object to, throws with the line.
import { assert } from "@fairlane/base";

export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)",?/gy;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ["_bucket", "_sum", "_count"],
  counter: [""],
  gauge: [""],
};

/** The families of an exposition, in its order. Throws AssertionError at the first line that is wrong. */
export function readExposition(text: string): MetricFamily[] {
  assert(text.endsWith("\n"), "the last line has no end");
  const families: MetricFamily[] = [];
  let help: RegExpExecArray | null = null;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (line.startsWith("# HELP ")) {
      help = /^# HELP (\S+) (.+)$/.exec(line);
      assert(help !== null, `no help: ${line}`);
    } else if (type !== null) {
      const [, name = "", kind = ""] = type;
      assert(help?.[1] === name, `help comes before its type: ${line}`);
      assert(!families.some((family) => family.name === name), `twice: ${line}`);
      families.push({ name, type: kind, help: help?.[2] ?? "", samples: [] });
    } else {
      addSample(families.at(-1), line);
    }
  }
  for (const family of families) checkFamily(family);
  return families;
}

function addSample(family: MetricFamily | undefined, line: string): void {
  const match = SAMPLE.exec(line);
  assert(match !== null && family !== undefined, `no sample: ${line}`);
  const [, name = "", labelText = "", valueText = ""] = match;
  const suffixes = SUFFIXES[family.type] ?? [];
  assert(
    suffixes.some((suffix) => name === family.name + suffix),
    `not of ${family.type} ${family.name}: ${line}`,
  );
  const labels: Record<string, string> = {};
  let readTo = 0;
  for (const label of labelText.matchAll(LABEL)) {
    readTo = label.index + label[0].length;
    labels[label[1] ?? ""] = label[2] ?? "";
  }
  assert(readTo === labelText.length, `labels that cannot be read: ${line}`);
  const value = valueText === "+Inf" ? Infinity : Number(valueText);
  assert(!Number.isNaN(value), `no number: ${line}`);
  family.samples.push({ name, labels, value });
}

function checkFamily({ name, type, samples }: MetricFamily): void {
  const endsInTotal = name.endsWith("_total");
  assert(endsInTotal === (type === "counter"), `${name} is a ${type}`);
  assert(/^[a-z][a-z0-9_]*$/.test(name), `${name} is not in snake case`);
  assert(!/_(ms|us|milliseconds|microseconds)(_|$)/.test(name), `${name} is not in base units`);
  const series = samples.map(({ name: of, labels }) => `${of} ${JSON.stringify(labels)}`);
  assert(new Set(series).size === series.length, `${name} has a series twice`);
  if (type === "histogram") checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const groups = new Map<string, { buckets: Sample[]; count: number | undefined }>();
  for (const sample of samples) {
    const { le: _, ...rest } = sample.labels;
    const key = JSON.stringify(rest);
    const group = groups.get(key) ?? { buckets: [], count: undefined };
    groups.set(key, group);
    if (sample.name.endsWith("_bucket")) group.buckets.push(sample);
    if (sample.name.endsWith("_count")) group.count = sample.value;
  }
  for (const [key, { buckets, count }] of groups) {
    const values = buckets.map(({ value }) => value);
    assert(
      values.every((value, index) => value >= (values[index - 1] ?? 0)),
      `${name} ${key}: buckets do not add up`,
    );
    const last = buckets.at(-1);
    assert(
      last?.labels["le"] === "+Inf" && last.value === count,
      `${name} ${key}: +Inf is not all`,
    );
  }
}
