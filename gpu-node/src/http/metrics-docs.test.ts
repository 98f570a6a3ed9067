// Compares what a node exports with docs/metrics.md, both ways, and reads it as strictly as Prometheus's checker.
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { NodeMetrics } from "./metrics.ts";
import { readExposition, type MetricFamily } from "./testing/exposition.ts";

const DOCS = new URL("../../../docs/metrics.md", import.meta.url);
const ROW = /^\| `(fairlane_\w+)`\s*\| (\w+)\s*\| ([^|]*?)\s*\| (.+?)\s*\|$/gm;

/** Name, type, and each label with its values, of each row of the page: `layer`: `prefix`; `result`: `hit`, `miss`. */
function documented(): string[] {
  const text = readFileSync(DOCS, "utf8");
  return [...text.matchAll(ROW)].map(([, name = "", type = "", labels = ""]) => {
    const said = labels.split(";").map((label) => {
      const [key = "", ...values] = [...label.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? "");
      return [key, ...values.toSorted()].join(" ");
    });
    return [name, type, ...said.toSorted()].join(" ").trim();
  });
}

/** The same of what was exported. */
function exported(families: readonly MetricFamily[]): string[] {
  return families.map(({ name, type, samples }) => {
    const keys = Object.keys(samples[0]?.labels ?? {}).filter((key) => key !== "le");
    const said = keys.map((key) => {
      const values = new Set(samples.map(({ labels }) => labels[key] ?? ""));
      return [key, ...[...values].toSorted()].join(" ");
    });
    return [name, type, ...said.toSorted()].join(" ").trim();
  });
}

/** Makes every series appear. */
function exercise(all: NodeMetrics): void {
  all.step({
    computeUs: 4_000,
    facts: {
      prefillTokens: 100,
      decodeTokens: 28,
      budgetTokens: 256,
      timeCorrection: 1.1,
      targetUs: 3_000,
      phasesUs: { plan: 20, wait: 3_000, settle: 40 },
    },
    discarded: { promptTokens: 1, outputTokens: 2 },
    preemptions: {
      recomputeCount: 1,
      recomputedTokens: 40,
      swapCount: 1,
      savedBytes: 1,
      loadedBytes: 1,
      swapFailureCount: 1,
    },
    pool: {
      kvPages: 5,
      cachedIdlePages: 4,
      adapterPages: 9,
      quarantinedPages: 3,
      freePages: 2,
      cachedBlocks: 6,
      evictedBlocks: 7,
      adapters: {
        pages: 9,
        idlePages: 3,
        residentCount: 2,
        runningCount: 1,
        hostBytes: 100,
        totals: {
          loadCount: 3,
          loadedBytes: 900,
          loadMs: 12,
          readCount: 1,
          evictedCount: 1,
          droppedCount: 1,
          failureCount: 1,
        },
      },
    },
  });
  const tokens = { cachedTokens: 16, computedPromptTokens: 4, outputTokens: 3 };
  all.grew({ ...tokens, tokenGapsMs: [30] });
  all.load({ running: 2, waiting: 5, pagesFree: 10, pagesTotal: 64 });
  const counts = {
    cachedTokens: 0,
    computedPromptTokens: 1,
    outputTokens: 1,
    queueMs: 1,
    ttftMs: 2,
  };
  for (const reason of ["stop", "length", "cancelled", "error"] as const) {
    all.streamEnded({ reason, counts }, reason === "stop" ? 0.95 : 0.5);
  }
}

let families: MetricFamily[];

beforeAll(async () => {
  const all = new NodeMetrics({
    live: () => 0,
    unackedRecords: () => 0,
    links: () => ({ open: 0, wanted: 0 }),
    fleetNewsAgeMs: () => null,
    isReady: () => false,
  });
  exercise(all);
  families = readExposition(await all.text());
});

describe("docs/metrics.md", () => {
  it("names every metric that a node exports, with its type and label values, and no other", () => {
    const page = documented();
    expect(page.length).toBeGreaterThan(20);
    expect(page.toSorted()).toEqual(exported(families).toSorted());
  });
});

describe("readExposition", () => {
  const HEAD = "# HELP a_total All.\n# TYPE a_total counter\n";

  it("reads values and labels", () => {
    const text = `${HEAD}a_total{kind="x\\"y",b="2"} 3\n`;
    expect(readExposition(text)).toEqual([
      {
        name: "a_total",
        type: "counter",
        help: "All.",
        samples: [{ name: "a_total", labels: { kind: 'x\\"y', b: "2" }, value: 3 }],
      },
    ]);
  });

  it.each([
    ["a sample of no family", "b 1\n"],
    ["a type without help", "# TYPE a_total counter\na_total 1\n"],
    ["a counter that does not end in total", "# HELP a All.\n# TYPE a counter\na 1\n"],
    ["a gauge that does", "# HELP a_total All.\n# TYPE a_total gauge\na_total 1\n"],
    ["milliseconds", "# HELP a_ms All.\n# TYPE a_ms gauge\na_ms 1\n"],
    ["a series twice", `${HEAD}a_total 1\na_total 1\n`],
    ["a family twice", `${HEAD}${HEAD}`],
    ["a value that is no number", `${HEAD}a_total one\n`],
    ["labels that cannot be read", `${HEAD}a_total{kind=x} 1\n`],
    ["no end of line", `${HEAD}a_total 1`],
    [
      "buckets that do not add up",
      '# HELP h All.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    ],
    [
      "buckets without an end",
      '# HELP h All.\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n',
    ],
  ])("refuses %s", (_what, text) => {
    expect(() => readExposition(text)).toThrow();
  });
});
