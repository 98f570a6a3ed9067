// Fair share as a tenant and as the operator see it: over a scripted hub, and the real one for who may ask.
import { openLedgerDb, writeFairCounters, writeFairHours } from "@fairlane/db";
import type { FleetStanding } from "@fairlane/protocol";
import { UNITS_PER_TOKEN } from "@fairlane/vtc";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ADMIN_TOKEN, codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";
import { NOW_MS, scriptedEdge, TENANT_ID } from "../../test/scripted-edge.ts";

const OWN = "/v1/fairlane/fair-share";
const ALL = "/v1/fairlane/admin/fair-share";
const HOUR_MS = 3_600_000;
const OTHER_ID = "ten_01jd0000000000000000000009";

const units = (tokens: number): number => tokens * UNITS_PER_TOKEN;
const db = () => openLedgerDb(env.LEDGER_DB);

const positionOf = (tenantId: string, counterTokens: number) => ({
  tenantId,
  counterUnits: units(counterTokens),
  serviceUnits: units(counterTokens),
  weight: 3,
  isActive: true,
});

function standing(...positions: FleetStanding["positions"]): FleetStanding {
  return { region: "local", floorUnits: units(500), activeTenants: 2, positions };
}

const counts = (serviceTokens: number) => ({
  inputTokens: serviceTokens,
  cachedTokens: 3,
  outputTokens: 0,
  serviceUnits: units(serviceTokens),
  queueMs: 40,
  requests: 2,
});

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

describe("GET /v1/fairlane/fair-share", () => {
  it("tells the own counter against the fleet's minimum, and the share of all service by hour", async () => {
    const hour = { hourMs: NOW_MS - HOUR_MS, region: "local", epoch: 1, weight: 3 };
    await writeFairHours(db(), [
      { ...hour, tenantId: TENANT_ID, ...counts(100) },
      { ...hour, tenantId: TENANT_ID, region: "mars", ...counts(20) },
      { ...hour, tenantId: OTHER_ID, ...counts(360) },
      { ...hour, tenantId: OTHER_ID, ...counts(7), hourMs: NOW_MS },
      { ...hour, tenantId: TENANT_ID, ...counts(9), hourMs: NOW_MS - 30 * HOUR_MS },
    ]);
    const asked: unknown[] = [];
    const edge = scriptedEdge({
      fairShare: (tenantId) => {
        asked.push(tenantId);
        return Promise.resolve(standing(positionOf(TENANT_ID, 620)));
      },
    });
    const response = await edge.send(OWN);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      object: "fairlane.fair_share",
      tenant_id: TENANT_ID,
      region: "local",
      weight: 3,
      active: true,
      active_tenants: 2,
      floor_tokens: 500,
      counter_tokens: 620,
      ahead_tokens: 120,
      hours: [
        {
          hour_ms: NOW_MS - HOUR_MS,
          input_tokens: 120,
          cached_tokens: 6,
          output_tokens: 0,
          service_tokens: 120,
          queue_ms: 80,
          requests: 4,
          share: 0.25,
        },
      ],
    });
    expect(asked).toEqual([TENANT_ID]);
    expect(edge.asked.hubs).toEqual(["local:0"]);
    expect(edge.asked.authorized).toMatchObject([{ scope: "usage:read" }]);
    const { hours } = await (await edge.send(`${OWN}?hours=31`)).json<{ hours: unknown[] }>();
    expect(hours).toHaveLength(2);
  });

  it.each(["0", "745", "-1", "1.5", "many", ""])("refuses hours=%s", async (hours) => {
    const edge = scriptedEdge({ fairShare: () => Promise.resolve(standing()) });
    const response = await edge.send(`${OWN}?hours=${hours}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: {
        code: "invalid_value",
        param: "hours",
        message: expect.stringContaining("744") as unknown,
      },
    });
  });

  it.each([
    ["cannot be asked", () => Promise.reject(new Error("gone"))],
    ["has not loaded what it knew", () => Promise.resolve(null)],
  ])("is a 503 while the hub %s", async (_, fairShare) => {
    const response = await scriptedEdge({ fairShare }).send(OWN);
    expect(response.status).toBe(503);
    expect(await codeOf(response)).toBe("overloaded");
  });
});

describe("GET /v1/fairlane/admin/fair-share", () => {
  it("tells where all tenants stand, those ahead first, with their service", async () => {
    const cell = { region: "local", nodeId: "n1", weight: 3, updatedAtMs: NOW_MS };
    await writeFairCounters(db(), [
      { ...cell, tenantId: OTHER_ID, epoch: 1, ...counts(70) },
      { ...cell, tenantId: OTHER_ID, epoch: 2, ...counts(30) },
    ]);
    const positions = [positionOf(TENANT_ID, 400), positionOf(OTHER_ID, 900)];
    const edge = scriptedEdge({ fairShare: () => Promise.resolve(standing(...positions)) });
    const authorization = `Bearer ${ADMIN_TOKEN}`;
    const response = await edge.send(ALL, { headers: { authorization } });
    expect(response.status).toBe(200);
    const none = { input_tokens: 0, cached_tokens: 0, output_tokens: 0, service_tokens: 0 };
    expect(await response.json()).toEqual({
      object: "fairlane.fair_share_list",
      region: "local",
      floor_tokens: 500,
      active_tenants: 2,
      has_more: false,
      data: [
        {
          tenant_id: OTHER_ID,
          weight: 3,
          active: true,
          counter_tokens: 900,
          ahead_tokens: 400,
          service: {
            input_tokens: 100,
            cached_tokens: 6,
            output_tokens: 0,
            service_tokens: 100,
            queue_ms: 80,
            requests: 4,
          },
        },
        {
          tenant_id: TENANT_ID,
          weight: 3,
          active: true,
          counter_tokens: 400,
          ahead_tokens: 0,
          service: { ...none, queue_ms: 0, requests: 0 },
        },
      ],
    });
  });
});

describe("who may see fair share", () => {
  it("lets a tenant see its own, and only its own", async () => {
    const [one, other] = [await newTenant({ weight: 5 }), await newTenant()];
    for (const tenant of [one, other]) {
      const response = await send("GET", OWN, { credential: tenant.key });
      expect(response.status).toBe(200);
      const text = await response.text();
      expect(JSON.parse(text)).toMatchObject({ tenant_id: tenant.tenantId, hours: [] });
      const hidden = tenant === one ? other : one;
      expect(text).not.toContain(hidden.tenantId);
    }
  });

  it("lets nobody without the scope see it", async () => {
    const { tenantId } = await newTenant();
    const may = await newKey(tenantId, { scopes: ["usage:read"] });
    const mayNot = await newKey(tenantId, { scopes: ["inference"] });
    expect((await send("GET", OWN, { credential: may.key })).status).toBe(200);
    expect((await send("GET", OWN, { credential: mayNot.key })).status).toBe(403);
    expect((await send("GET", OWN)).status).toBe(401);
  });

  it("lets the operator see all, and no tenant", async () => {
    const { key } = await newTenant();
    expect((await send("GET", ALL, { credential: ADMIN_TOKEN })).status).toBe(200);
    for (const credential of [key, `${ADMIN_TOKEN}0`, ""]) {
      const response = await send("GET", ALL, { credential });
      expect(response.status).toBe(401);
      expect(await codeOf(response)).toBe("invalid_admin_token");
    }
    expect((await send("GET", OWN, { credential: ADMIN_TOKEN })).status).toBe(401);
  });

  it("answers other methods with a 405", async () => {
    for (const path of [OWN, ALL]) expect((await send("POST", path)).status).toBe(405);
  });
});
