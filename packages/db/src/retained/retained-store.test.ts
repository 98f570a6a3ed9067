import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { R2Bucket } from "@cloudflare/workers-types";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { retainedKeyOf } from "./retained-key.ts";
import { RetainedStore } from "./retained-store.ts";
import { sweepRetained } from "./sweep-retained.ts";

const NOW_MS = 1_793_491_200_000;
const HOUR_MS = 3_600_000;
const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };

let miniflare: Miniflare;
let bucket: R2Bucket;

beforeAll(async () => {
  miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: "export default { fetch() { return new Response(null); } };",
      compatibilityDate: "2026-11-01",
      r2Buckets: { RETAINED: "retained" },
      cf: false,
    }),
  );
  // Miniflare's own declaration of the same interface.
  bucket = (await miniflare.getR2Bucket("RETAINED")) as unknown as R2Bucket;
});

afterAll(() => miniflare.dispose());

async function storeOf(tenantId: string, secret = "a-secret-of-the-server") {
  const key = await retainedKeyOf(secret, tenantId);
  return new RetainedStore({ bucket, tenantId, key, random });
}

const ref = (id: string) => ({ kind: "response", id }) as const;
const life = { nowMs: NOW_MS, ttlMs: HOUR_MS };

describe("retainedKeyOf", () => {
  it("differs by tenant and by secret, and is no salt", async () => {
    // HMAC-SHA-256 over the framed fields, computed with Python's hmac.
    expect(await retainedKeyOf("test-salt-0123456789abcdef", "ten_a")).toBe(
      "3dde3fd483518cedc1dc43ece3007cadb25dcc2b40b7507e75165ebd015e00bc",
    );
    const keys = await Promise.all([
      retainedKeyOf("secret-one", "ten_a"),
      retainedKeyOf("secret-one", "ten_b"),
      retainedKeyOf("secret-two", "ten_a"),
    ]);
    expect(new Set(keys).size).toBe(3);
  });
});

describe("RetainedStore", () => {
  it("gives back what it keeps until its time is over", async () => {
    const store = await storeOf("ten_time");
    expect(await store.put(ref("resp_1"), "Zürich 🏔", life)).toBe(true);
    expect(await store.get(ref("resp_1"), NOW_MS)).toBe("Zürich 🏔");
    expect(await store.get(ref("resp_1"), NOW_MS + HOUR_MS - 1)).toBe("Zürich 🏔");
    expect(await store.get(ref("resp_1"), NOW_MS + HOUR_MS)).toBeUndefined();
    expect(await store.get(ref("resp_2"), NOW_MS)).toBeUndefined();
    expect(await store.get({ kind: "replay", id: "resp_1" }, NOW_MS)).toBeUndefined();
  });

  it("tells what a text takes at most without opening it", async () => {
    const store = await storeOf("ten_tokens");
    await store.put(ref("resp_1"), "some text", { ...life, tokensMax: 9 });
    await store.put(ref("resp_2"), "some text", life);
    expect(await store.tokensMaxOf(ref("resp_1"), NOW_MS)).toBe(9);
    expect(await store.tokensMaxOf(ref("resp_2"), NOW_MS)).toBe(0);
    expect(await store.tokensMaxOf(ref("resp_1"), NOW_MS + HOUR_MS)).toBeUndefined();
    expect(await store.tokensMaxOf(ref("resp_3"), NOW_MS)).toBeUndefined();
  });

  it("replaces and deletes", async () => {
    const store = await storeOf("ten_edit");
    await store.put(ref("resp_1"), "first", life);
    await store.put(ref("resp_1"), "second", life);
    expect(await store.get(ref("resp_1"), NOW_MS)).toBe("second");
    await store.delete(ref("resp_1"));
    expect(await store.get(ref("resp_1"), NOW_MS)).toBeUndefined();
    await store.delete(ref("resp_1"));
  });

  it("keeps one tenant's text from another, by name and by key", async () => {
    const owner = await storeOf("ten_owner");
    await owner.put(ref("resp_1"), "mine", life);
    expect(await (await storeOf("ten_other")).get(ref("resp_1"), NOW_MS)).toBeUndefined();
    const key = await retainedKeyOf("a-secret-of-the-server", "ten_other");
    const thief = new RetainedStore({ bucket, tenantId: "ten_owner", key, random });
    await expect(thief.get(ref("resp_1"), NOW_MS)).rejects.toThrow();
    expect(await owner.get(ref("resp_1"), NOW_MS)).toBe("mine");
  });

  it("stores no text that can be read, and seals each copy anew", async () => {
    const store = await storeOf("ten_sealed");
    await store.put(ref("resp_1"), "the same text", life);
    await store.put(ref("resp_2"), "the same text", life);
    const bytes = await Promise.all(
      ["resp_1", "resp_2"].map(async (id) => {
        const object = await bucket.get(`ten_sealed/response/${id}`);
        return Buffer.from((await object?.arrayBuffer()) ?? new ArrayBuffer(0));
      }),
    );
    // Version, nonce, 13 bytes of text, tag.
    expect(bytes.map((one) => one.length)).toEqual([42, 42]);
    expect(bytes[0]?.includes("same")).toBe(false);
    expect(bytes[0]?.equals(bytes[1] ?? Buffer.alloc(0))).toBe(false);
  });

  it("refuses an object whose name or time was exchanged", async () => {
    const store = await storeOf("ten_swap");
    await store.put(ref("resp_1"), "one", life);
    const object = await bucket.get("ten_swap/response/resp_1");
    const bytes = (await object?.arrayBuffer()) ?? new ArrayBuffer(0);
    const customMetadata = { "expires-at-ms": String(NOW_MS + HOUR_MS) };
    await bucket.put("ten_swap/response/resp_2", bytes, { customMetadata });
    await expect(store.get(ref("resp_2"), NOW_MS)).rejects.toThrow();
    const longer = { customMetadata: { "expires-at-ms": String(NOW_MS + 2 * HOUR_MS) } };
    await bucket.put("ten_swap/response/resp_1", bytes, longer);
    await expect(store.get(ref("resp_1"), NOW_MS)).rejects.toThrow();
  });

  it("takes no text beyond its bound, no endless life and no name with a slash", async () => {
    const store = await storeOf("ten_bound");
    expect(await store.put(ref("resp_1"), "x".repeat(8 * 1024 * 1024 + 1), life)).toBe(false);
    expect(await store.get(ref("resp_1"), NOW_MS)).toBeUndefined();
    const days31 = { nowMs: NOW_MS, ttlMs: 31 * 24 * HOUR_MS };
    await expect(store.put(ref("resp_1"), "x", days31)).rejects.toThrow(/no such life/);
    await expect(store.put(ref("../ten_a/response/x"), "x", life)).rejects.toThrow(/id of a/);
  });
});

describe("sweepRetained", () => {
  it("deletes what has expired and nothing else", async () => {
    const store = await storeOf("ten_sweep");
    await store.put(ref("resp_old"), "old", { nowMs: NOW_MS, ttlMs: 1 });
    await store.put(ref("resp_new"), "new", { nowMs: NOW_MS, ttlMs: 100 * HOUR_MS });
    await bucket.put("ten_sweep/response/resp_stray", "no time");
    const swept = await sweepRetained(bucket, { nowMs: NOW_MS + 2 * HOUR_MS });
    expect(swept.after).toBeUndefined();
    const left = await bucket.list({ prefix: "ten_sweep/" });
    expect(left.objects.map(({ key }) => key)).toEqual(["ten_sweep/response/resp_new"]);
    expect(swept.deletedCount).toBeGreaterThanOrEqual(2);
    const again = await sweepRetained(bucket, { nowMs: NOW_MS + 2 * HOUR_MS });
    expect(again).toMatchObject({ seenCount: 1, deletedCount: 0 });
  });

  it("goes on after a name", async () => {
    const from = { nowMs: NOW_MS + 200 * HOUR_MS, after: "ten_sweep/response/resp_new" };
    expect(await sweepRetained(bucket, from)).toMatchObject({ seenCount: 0, deletedCount: 0 });
  });
});
