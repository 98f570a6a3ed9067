import { createTenant, openControlDb } from "@fairlane/db";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { isStorageFailure } from "./is-storage-failure.ts";

const wrapped = (message: string) => new Error("Failed query: ...", { cause: new Error(message) });

describe("isStorageFailure", () => {
  it.each([
    "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
    "D1_ERROR: Network connection lost.",
    "D1_ERROR: D1 storage operation exceeded timeout which caused object to be reset.",
  ])("is true of %j", (message) => {
    expect(isStorageFailure(new Error(message))).toBe(true);
    expect(isStorageFailure(wrapped(message))).toBe(true);
  });

  it("is false of anything else", () => {
    expect(isStorageFailure(new TypeError("x is not a function"))).toBe(false);
    expect(isStorageFailure("D1_ERROR: a text")).toBe(false);
    expect(isStorageFailure(undefined)).toBe(false);
  });

  it("is false of a statement that D1 itself refuses", async () => {
    const caught = async (sql: string) =>
      env.CONTROL_DB.prepare(sql)
        .run()
        .catch((e: unknown) => e);
    expect(isStorageFailure(await caught("SELECT * FROM no_such_table"))).toBe(false);
    expect(isStorageFailure(await caught("DELETE FROM price_versions"))).toBe(false);
    const project = { id: "prj_1", tenantId: "ten_1", name: "p", createdAtMs: 1 };
    const tenant = {
      id: "ten_1",
      name: "n",
      status: "active" as const,
      weight: 1,
      requestsPerMinute: 1,
      tokensPerMinute: 1,
      parallelRequests: 1,
      inputTokensPerMinute: null,
      outputTokensPerMinute: null,
      scopeLimits: [],
      prepaid: false,
      budgets: [],
      webhookUrl: null,
      priceVersionId: "plan_unknown",
      createdAtMs: 1,
    };
    const audit = {
      id: "aud_1",
      atMs: 1,
      tenantId: "ten_1",
      actorKind: "operator",
      actorId: "operator",
      action: "tenant.created",
      target: "ten_1",
      ip: null,
      requestId: "req_1",
      details: {},
    } as const;
    const db = openControlDb(env.CONTROL_DB);
    const failed = await createTenant(db, { tenant, project }, audit).catch(
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(Error);
    expect(isStorageFailure(failed)).toBe(false);
  });
});
