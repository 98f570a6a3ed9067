// The sweeps over real buckets and a real database.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { sweepFilesJob } from "./sweep-files.ts";
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

describe("the sweep of files", () => {
  const run = (sql: string) => env.CONTROL_DB.prepare(sql).run();

  it("deletes content and rows of files and uploads whose time is over, and no others", async () => {
    await run(`INSERT INTO tenants (id, name, status, weight, requests_per_minute, tokens_per_minute, parallel_requests,
      scope_limits, price_version_id, created_at_ms)
      VALUES ('ten_f', 't', 'active', 1, 1, 1, 1, '[]', 'plan_01kb0000000000000000000001', 1)`);
    for (const [index, endMs] of [NOW_MS, NOW_MS + 1].entries()) {
      await run(`INSERT INTO files (id, tenant_id, purpose, file_name, byte_count, created_at_ms, expires_at_ms)
        VALUES ('file_${index}', 'ten_f', 'batch', 'in.jsonl', 1, 1, ${endMs})`);
      await run(`INSERT INTO uploads (id, tenant_id, file_name, byte_count, created_at_ms, expires_at_ms)
        VALUES ('upload_${index}', 'ten_f', 'in.jsonl', 1, 1, ${endMs})`);
      await run(`INSERT INTO upload_pieces (id, upload_id, byte_count, created_at_ms)
        VALUES ('part_${index}', 'upload_${index}', 1, 1)`);
      await env.ARTIFACTS.put(`ten_f/files/file_${index}`, "x");
      await env.ARTIFACTS.put(`ten_f/file-parts/part_${index}`, "x");
    }
    expect(await sweepFilesJob.run(env, NOW_MS)).toEqual({
      isComplete: true,
      figures: { fileCount: 1, uploadCount: 1 },
    });
    const left = (await env.ARTIFACTS.list({ prefix: "ten_f/" })).objects.map(({ key }) => key);
    expect(left).toEqual(["ten_f/file-parts/part_1", "ten_f/files/file_1"]);
    const { results } = await run(`SELECT id FROM files UNION SELECT id FROM uploads
      UNION SELECT id FROM upload_pieces ORDER BY id`);
    expect(results).toEqual([{ id: "file_1" }, { id: "part_1" }, { id: "upload_1" }]);
  });
});
