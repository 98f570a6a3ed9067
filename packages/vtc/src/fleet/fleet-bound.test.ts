// The claim for a fleet, on nodes in virtual time: with tenants backlogged everywhere, service over all nodes differs by
// at most 2 (N U + A delta), A being the fleet's rate; with nodes of their own, service still becomes equal where
// placement allows it; partitions, repeated frames and restarts cost a bounded excess, once (W19, W20).
import { describe, expect, it } from "vitest";
import { linearCost, UNITS_PER_TOKEN } from "../cost.ts";
import type { Sent } from "../testing/trace-server.ts";
import { FleetModel, type FleetOptions } from "./testing/fleet-model.ts";

const POOL_TOKENS = 1_000;
const PERIOD_STEPS = 20;
const U = linearCost().spreadBoundUnits({ promptTokensMax: 48, poolTokens: POOL_TOKENS });

/** Requests of "a" have longer prompts and shorter answers than those of "b", and cost the same. */
function lengthsOf(tenantId: string): Sent {
  return tenantId === "a"
    ? { path: [tenantId], promptTokens: 48, outputTokens: 24 }
    : { path: [tenantId], promptTokens: 16, outputTokens: 40 };
}

function fleet(nodeCount: number, change: Partial<FleetOptions> = {}): FleetModel {
  return new FleetModel({
    nodeCount,
    poolTokens: POOL_TOKENS,
    periodStepCount: PERIOD_STEPS,
    tenantIds: ["a", "b"],
    workload: lengthsOf,
    ...change,
  });
}

const gapOf = (model: FleetModel): number => model.servedTo("a") - model.servedTo("b");
const totalOf = (model: FleetModel): number => model.servedTo("a") + model.servedTo("b");

/**
 * Runs, and says by how much the difference of service moved: its range bounds it over every interval. The fleet's rate
 * is that of its fastest period.
 */
function rangeOver(model: FleetModel, steps: number) {
  let [low, high] = [gapOf(model), gapOf(model)];
  let [before, fastest] = [totalOf(model), 0];
  model.run(steps, (step) => {
    const gap = gapOf(model);
    low = Math.min(low, gap);
    high = Math.max(high, gap);
    if (step % PERIOD_STEPS !== 0) return;
    fastest = Math.max(fastest, totalOf(model) - before);
    before = totalOf(model);
  });
  return { range: high - low, unitsPerStep: fastest / PERIOD_STEPS };
}

/** 2 (N U + A delta): what a report and its answer take is within two periods. */
function boundOf(nodeCount: number, unitsPerStep: number): number {
  return 2 * (nodeCount * U + unitsPerStep * 2 * PERIOD_STEPS);
}

describe("service over a fleet", () => {
  it.each([2, 4])("of two tenants busy on all of %i nodes stays within the bound", (nodeCount) => {
    const { range, unitsPerStep } = rangeOver(fleet(nodeCount), 3_000);
    expect(range).toBeLessThanOrEqual(boundOf(nodeCount, unitsPerStep));
  });

  it.each([2, 4])("stays within it when every frame comes twice and late, on %i nodes", (nodes) => {
    const model = fleet(nodes);
    model.delivery = () => ({ repeats: true });
    const { range, unitsPerStep } = rangeOver(model, 3_000);
    expect(range).toBeLessThanOrEqual(boundOf(nodes, unitsPerStep));
  });

  it("is equal when one tenant is busy on four nodes and the other on three (W19)", () => {
    const workload: FleetOptions["workload"] = (tenantId, node) =>
      tenantId === "b" && node === 3 ? undefined : lengthsOf(tenantId);
    const merged = fleet(4, { workload });
    merged.run(1_000);
    const { range, unitsPerStep } = rangeOver(merged, 2_000);
    expect(range).toBeLessThanOrEqual(boundOf(4, unitsPerStep));
    // Each node for itself: "a" runs away.
    const alone = fleet(4, { workload, periodStepCount: null });
    alone.run(1_000);
    const diverging = rangeOver(alone, 2_000);
    expect(diverging.range).toBeGreaterThan(2 * boundOf(4, diverging.unitsPerStep));
  });

  it("recovers after a partition, with an excess that the partition's length bounds (W20)", () => {
    const workload: FleetOptions["workload"] = (tenantId, node) =>
      tenantId === "b" && node === 2 ? undefined : lengthsOf(tenantId);
    const model = fleet(3, { workload });
    model.run(1_000);
    const before = rangeOver(model, 500);
    expect(before.range).toBeLessThanOrEqual(boundOf(3, before.unitsPerStep));
    const cutSteps = 400;
    model.delivery = () => ({ isCut: true });
    const during = rangeOver(model, cutSteps);
    model.delivery = () => ({});
    const healing = rangeOver(model, 1_500);
    const excess = during.unitsPerStep * cutSteps;
    expect(during.range).toBeLessThanOrEqual(boundOf(3, during.unitsPerStep) + excess);
    expect(healing.range).toBeLessThanOrEqual(boundOf(3, healing.unitsPerStep) + excess);
    // Service is level again, and stays so.
    const after = rangeOver(model, 1_000);
    expect(after.range).toBeLessThanOrEqual(boundOf(3, after.unitsPerStep));
  });

  it("starves nobody for longer than the catch-up bound takes, however long a link was down", () => {
    const healStep = 4_200;
    const longestStarving = (catchUpUnitsMax: number): number => {
      const workload: FleetOptions["workload"] = (tenantId, node, step) =>
        node === 1 && (tenantId === "b" || step >= healStep) ? undefined : lengthsOf(tenantId);
      const model = fleet(2, { workload, catchUpUnitsMax });
      model.run(200);
      model.delivery = () => ({ isCut: true });
      // Node 1 gives "a" all it has, and nobody anything from then on.
      model.run(healStep - 200);
      model.delivery = () => ({});
      const served = () => model.nodes[0]?.server.servedTo("a") ?? 0;
      let [longest, lastStep, before] = [0, healStep, served()];
      model.run(4_000, (step) => {
        if (served() > before) lastStep = step;
        before = served();
        longest = Math.max(longest, step - lastStep);
      });
      return longest;
    };
    // A node's rate is above 30 tokens a step, and requests that run when the link heals go on.
    expect(longestStarving(3_000 * UNITS_PER_TOKEN)).toBeLessThan(3_000 / 30 + 100);
    expect(longestStarving(2 ** 50)).toBeGreaterThan(1_000);
  });

  it("counts nothing twice when nodes and hub restart, and gives nobody credit", () => {
    const model = fleet(2);
    model.run(500);
    for (const restart of [
      () => model.restart(0),
      () => model.restartHub(),
      () => model.restart(1),
    ]) {
      restart();
      const { range, unitsPerStep } = rangeOver(model, 800);
      // What a dead node had computed and not told is unknown to all: a period's worth.
      expect(range).toBeLessThanOrEqual(boundOf(2, unitsPerStep) + unitsPerStep * PERIOD_STEPS);
    }
  });
});

describe("a tenant that was idle", () => {
  it("has no credit at a node that served nobody meanwhile", () => {
    // "a" is busy on node 0; then both come to node 1, which nobody used before.
    const workload: FleetOptions["workload"] = (tenantId, node, step) => {
      const isOpen = node === 0 ? tenantId === "a" && step < 2_000 : step >= 2_000;
      return isOpen ? lengthsOf(tenantId) : undefined;
    };
    // "b" is there a moment before "a".
    const model = fleet(2, { workload, tenantIds: ["b", "a"] });
    model.run(2_000);
    expect(model.servedTo("b")).toBe(0);
    const { a: heavy, b: light } = servedAfter(model, 600);
    expect(light / heavy).toBeGreaterThan(0.8);
    expect(light / heavy).toBeLessThan(1.25);
  });

  it("has none at a node that boots", () => {
    const workload: FleetOptions["workload"] = (tenantId, _node, step) =>
      tenantId === "b" && step < 2_000 ? undefined : lengthsOf(tenantId);
    const model = fleet(2, { workload });
    model.run(1_990);
    model.restart(1);
    model.run(10);
    const { a: heavy, b: light } = servedAfter(model, 600);
    expect(light / heavy).toBeGreaterThan(0.8);
    expect(light / heavy).toBeLessThan(1.25);
  });
});

function servedAfter(model: FleetModel, steps: number) {
  const [a, b] = [model.servedTo("a"), model.servedTo("b")];
  model.run(steps);
  return { a: model.servedTo("a") - a, b: model.servedTo("b") - b };
}
