// The sweep over a real bucket.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { sweepJob } from "./sweep.ts";

const NOW_MS = 1_793_491_200_000;
const until = (ms: number) => ({ customMetadata: { "expires-at-ms": String(ms) } });

async function names(): Promise<readonly string[]> {
  return (await env.RETAINED.list()).objects.map(({ key }) => key);
}

async function sweepAt(ms: number): Promise<void> {
  await sweepJob.run(env, ms);
}

describe("the sweep of retained text", () => {
  it("deletes retained text whose time is over", async () => {
    await env.RETAINED.put("ten_a/response/resp_1", "x", until(NOW_MS));
    await env.RETAINED.put("ten_a/response/resp_2", "x", until(NOW_MS + 1));
    await sweepAt(NOW_MS);
    expect(await names()).toEqual(["ten_a/response/resp_2"]);
  });

  it("goes on where the last one ended, and begins again after the end", async () => {
    const position = { after: "ten_b", "expires-at-ms": "9007199254740991" };
    await env.RETAINED.put(".sweep-position", "", { customMetadata: position });
    await env.RETAINED.put("ten_a/response/resp_3", "x", until(NOW_MS));
    await env.RETAINED.put("ten_c/response/resp_4", "x", until(NOW_MS));
    await sweepAt(NOW_MS);
    expect(await names()).toContain("ten_a/response/resp_3");
    expect(await names()).not.toContain("ten_c/response/resp_4");
    await sweepAt(NOW_MS);
    expect(await names()).not.toContain("ten_a/response/resp_3");
  });
});
