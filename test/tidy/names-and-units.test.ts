import path from "node:path";
import { describe, expect, it } from "vitest";
import { filesEnding, isTest, textOf } from "./source-tree.ts";

// The last word of a numeric setting says what it counts. `weight` and `port` are units of their own; units are of service.
const UNITS = [
  ...["Ms", "Us", "Seconds", "Minute", "Ticks"],
  ...["Bytes", "Chars", "Tokens", "Pages", "Rows", "Slots", "Commits", "Entries", "Records"],
  ...["NanoUsd", "Usd", "Percent", "Units", "Ratio", "Weight", "Eps"],
  ...[
    "Count",
    "Index",
    "Size",
    "Dim",
    "Base",
    "Port",
    "Shard",
    "Version",
    "Seq",
    "Epoch",
    "Requests",
  ],
  ...["Updates", "Resets", "Max", "Min", "Default"],
];
const SETTINGS =
  /interface \w*(?:Options|Config|Limits|Settings|Capacity|Flags)\b[^{]*\{([\s\S]*?)\n\}/g;
const NUMERIC_FIELD = /readonly (\w+)\??: (?:number|bigint)\b/g;
const NUMERIC_CONSTANT = /^export const ([A-Z][A-Z0-9_]*)(?:: \w+)? = -?[\d(]/gm;

/** requests_per_minute, requestsPerMinute and REQUESTS_PER_MINUTE all end in Minute. */
function lastWords(name: string): string[] {
  const words = name.includes("_") ? name.toLowerCase().split("_") : name.split(/(?=[A-Z])/);
  const capitalised = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return [capitalised.slice(-1).join(""), capitalised.slice(-2).join("")];
}

/** A rate names its unit before the "per": TOKENS_PER_MESSAGE. */
function withoutPer(name: string): string {
  return name.replace(/(?:_PER_|_per_|Per(?=[A-Z])).*$/, "");
}

function endsInUnit(name: string): boolean {
  return [...lastWords(name), ...lastWords(withoutPer(name))].some((word) => UNITS.includes(word));
}

function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

const sources = filesEnding(".ts").filter((file) => !isTest(file));

describe("names and units", () => {
  it("ends every numeric setting in its unit or quantity", () => {
    const offending = sources.flatMap((file) => {
      const bodies = namesIn(textOf(file), SETTINGS);
      const fields = bodies.flatMap((body) => namesIn(body, NUMERIC_FIELD));
      return fields.filter((field) => !endsInUnit(field)).map((field) => `${file}: ${field}`);
    });
    expect(offending).toEqual([]);
  });

  it("ends every bound of a limits.ts in its unit or quantity", () => {
    const offending = sources
      .filter((file) => path.basename(file) === "limits.ts")
      .flatMap((file) =>
        namesIn(textOf(file), NUMERIC_CONSTANT)
          .filter((name) => !endsInUnit(name))
          .map((name) => `${file}: ${name}`),
      );
    expect(offending).toEqual([]);
  });

  it("knows a unit from its absence", () => {
    expect(endsInUnit("timeoutMs")).toBe(true);
    expect(endsInUnit("HUB_RETRY_MS")).toBe(true);
    expect(endsInUnit("requests_per_minute")).toBe(true);
    expect(endsInUnit("timeout")).toBe(false);
    expect(endsInUnit("LIMIT")).toBe(false);
  });
});
