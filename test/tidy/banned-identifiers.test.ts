import { describe, expect, it } from "vitest";
import { filesEnding, isTest, textOf, withoutComments } from "./source-tree.ts";

// Pure code gets time, randomness and network as parameters, so that a simulator and a test can drive it.
const BANNED = [
  /\bDate\.now\b/,
  /\bnew Date\(\)/,
  /\bMath\.random\b/,
  /\bperformance\.now\b/,
  /\bcrypto\.getRandomValues\b|\brandomUUID\b/,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  /\bprocess\./,
  /(?<![.\w])fetch\(/,
  /from "(?:node:|hono|cloudflare:)/,
];

function isPure(file: string): boolean {
  if (file.startsWith("packages/testkit/")) return false;
  return file.startsWith("packages/") || /^gpu-node\/src\/(scheduler|memory|request)\//.test(file);
}

// The encoder of long prompts is a worker thread of its own: an entry, which hands the clock in.
const DOORS = [
  "gpu-node/src/request/chat-encoder.ts",
  "gpu-node/src/request/chat-encoder-worker.ts",
];

describe("banned identifiers", () => {
  const pure = filesEnding(".ts").filter(
    (file) => isPure(file) && !isTest(file) && !file.includes("/testing/") && !DOORS.includes(file),
  );

  it("covers the pure packages and the node's policy", () => {
    expect(pure).toContain("packages/base/src/ulid.ts");
    expect(pure).toContain("gpu-node/src/scheduler/step.ts");
  });

  it("lets one file of the hub ask for objects, so that all lie where the configuration says", () => {
    const hub = filesEnding(".ts").filter((file) => file.startsWith("apps/hub/src/"));
    const asking = hub.filter(
      (file) => !isTest(file) && withoutComments(textOf(file)).includes(".getByName("),
    );
    expect(asking).toEqual(["apps/hub/src/objects.ts"]);
  });

  it("keeps clocks, timers, randomness, network and environment out of pure code", () => {
    const offending = pure.flatMap((file) => {
      const lines = withoutComments(textOf(file)).split("\n");
      return lines.flatMap((line, index) =>
        BANNED.some((pattern) => pattern.test(line)) ? [`${file}:${index + 1} ${line.trim()}`] : [],
      );
    });
    expect(offending).toEqual([]);
  });
});
