// Two real nodes on one hub: what each tenant is served is the same everywhere it is counted, each node hears what the
// other gave, and a node that dies takes nothing along.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fleet } from "./platform/fleet.ts";
import { eventually } from "./platform/platform.ts";

const NODES = ["fleet-1", "fleet-2"];

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start(NODES);
});
afterAll(() => fleet[Symbol.asyncDispose]());

const COUNTERS = `
SELECT node_id, epoch, input_tokens, cached_tokens, output_tokens, requests
FROM service_counters WHERE tenant_id = ? ORDER BY node_id, epoch`;
const LEDGER = `
SELECT node_id, sum(computed_prompt_tokens) AS input_tokens, sum(computed_cached_tokens) AS cached_tokens,
  sum(computed_output_tokens) AS output_tokens, count(*) AS requests
FROM ledger_entries WHERE tenant_id = ? GROUP BY node_id ORDER BY node_id`;

/** Sends requests, some at a time, and waits for all answers. */
async function send(apiKey: string, requestCount: number, parallel: number): Promise<void> {
  let sent = 0;
  const worker = async () => {
    while (sent < requestCount) {
      sent += 1;
      expect(await fleet.chat(apiKey, `Word number ${sent}, please.`)).toBe(true);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}

/** Foreign units that a node heard last of a tenant. */
function heardBy(nodeName: string, tenantId: string): number {
  const frames = fleet.nodes.get(nodeName)?.proxy.seen ?? [];
  const sums = frames
    .filter((seen) => seen.type === "service")
    .flatMap((seen) => seen.frame["tenants"] as { tenant_id: string; foreign_units: number }[])
    .filter((one) => one.tenant_id === tenantId);
  return sums.at(-1)?.foreign_units ?? 0;
}

/** Waits for so many more heartbeats of every node. */
async function heartbeats(count: number): Promise<void> {
  const seenOf = (name: string) =>
    (fleet.nodes.get(name)?.proxy.seen ?? []).filter(({ type }) => type === "heartbeat").length;
  const wanted = NODES.map((name) => seenOf(name) + count);
  await eventually(`${count} heartbeats of each node`, () => {
    const haveCome = NODES.every((name, index) => seenOf(name) >= (wanted[index] ?? 0));
    return Promise.resolve(haveCome ? true : undefined);
  });
}

describe("a fleet of two nodes", () => {
  it("counts service as the ledger counts usage, and tells each node what the other gave", async () => {
    const { tenantId, apiKey } = await fleet.newTenant("counted");
    await send(apiKey, 24, 8);
    const ledger = await eventually("24 entries", async () => {
      const rows = await fleet.rows(LEDGER, tenantId);
      const entries = rows.reduce((sum, row) => sum + Number(row["requests"]), 0);
      return entries === 24 ? rows : undefined;
    });
    // Least-loaded routing spreads eight at a time over both.
    expect(ledger.map((row) => row["node_id"])).toEqual(NODES);
    const counters = await eventually("the same counts as service", async () => {
      const rows = await fleet.rows(COUNTERS, tenantId);
      const isSame = JSON.stringify(rows.map(withoutEpoch)) === JSON.stringify(ledger);
      return isSame ? rows : undefined;
    });
    expect(counters).toHaveLength(2);
    for (const name of NODES) {
      await eventually(`foreign service at ${name}`, () =>
        Promise.resolve(heardBy(name, tenantId) > 0 ? true : undefined),
      );
    }
  });

  it("sends a prompt to the node that has said it knows its beginning", async () => {
    const { tenantId, apiKey } = await fleet.newTenant("sticky");
    const beginning = "The sea is wide. ".repeat(34);
    expect(await fleet.chat(apiKey, `${beginning} One.`)).toBe(true);
    // The second heartbeat from here on is begun after the answer.
    await heartbeats(2);
    for (const word of ["Two", "Three", "Four"]) {
      expect(await fleet.chat(apiKey, `${beginning} ${word}.`)).toBe(true);
    }
    const sticky = await eventually("four entries", async () => {
      const rows = await fleet.rows(LEDGER, tenantId);
      return rows.reduce((sum, row) => sum + Number(row["requests"]), 0) === 4 ? rows : undefined;
    });
    expect(sticky).toHaveLength(1);
    expect(Number(sticky[0]?.["cached_tokens"])).toBeGreaterThan(0);
  });

  it("keeps a tenant's service over the death of a node", async () => {
    const { tenantId, apiKey } = await fleet.newTenant("restarted");
    await send(apiKey, 8, 4);
    const before = await eventually("service on both nodes", async () => {
      const rows = await fleet.rows(COUNTERS, tenantId);
      return rows.length === 2 ? rows : undefined;
    });
    const [name = ""] = NODES;
    const { proxy } = fleet.nodes.get(name) ?? {};
    const seenBefore = proxy?.seen.length ?? 0;
    await fleet.restart(name);
    // The new boot hears its old one's service as foreign, in the first telling.
    const first = await eventually("the first telling after the restart", () => {
      const fresh = proxy?.seen.slice(seenBefore) ?? [];
      return Promise.resolve(fresh.find((seen) => seen.type === "service"));
    });
    expect(first.frame["full"]).toBe(true);
    const told = first.frame["tenants"] as { tenant_id: string; foreign_units: number }[];
    const own = before.find((row) => row["node_id"] === name);
    expect(Number(own?.["output_tokens"])).toBeGreaterThan(0);
    expect(told.find((one) => one.tenant_id === tenantId)?.foreign_units).toBeGreaterThan(
      5_040 * Number(own?.["output_tokens"]),
    );
    // Enough at a time that they wait at the other node, which has cached their beginning.
    await eventually("a row of the new boot beside the old ones", async () => {
      await send(apiKey, 16, 16);
      const rows = await fleet.rows(COUNTERS, tenantId);
      return rows.length === 3 ? true : undefined;
    });
  });

  it("shows both tenants where they stand", async () => {
    const { tenantId, apiKey } = await fleet.newTenant("shown");
    await send(apiKey, 2, 1);
    const own = await eventually("the tenant's hour", async () => {
      const { status, body } = await fleet.get("/v1/fairlane/fair-share", apiKey);
      expect(status).toBe(200);
      return (body["hours"] as unknown[]).length > 0 ? body : undefined;
    });
    expect(own).toMatchObject({ tenant_id: tenantId, region: "local", weight: 1, active: false });
    const all = await fleet.get("/v1/fairlane/admin/fair-share");
    const ids = (all.body["data"] as { tenant_id: string }[]).map((one) => one.tenant_id);
    expect(ids).toContain(tenantId);
    const usage = await fleet.get("/v1/fairlane/usage", apiKey);
    expect(usage.body["service"]).toMatchObject({ requests: 2 });
  });
});

function withoutEpoch({
  node_id,
  input_tokens,
  cached_tokens,
  output_tokens,
  requests,
}: Record<string, unknown>) {
  return { node_id, input_tokens, cached_tokens, output_tokens, requests };
}
