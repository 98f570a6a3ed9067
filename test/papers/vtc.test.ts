// Reproduces what "Fairness in Serving Large Language Models" claims of the virtual token counter, with the scheduler that
// ships, in virtual time on the cost model of its machine; and shows what its published code does differently.
// Bounds, orders and ratios are asserted, not the paper's own figures: they move with the engine.
import { FairQueue, type AdmissionOrder } from "@fairlane/vtc";
import { describe, expect, it } from "vitest";
import { TraceServer } from "../../packages/vtc/src/testing/trace-server.ts";
import { BOUND_TOKENS } from "../bench/fairness/a10g.ts";
import { replay } from "../bench/fairness/fair-run.ts";
import { orderOf } from "../bench/fairness/orders.ts";
import {
  accumulated,
  fairMetrics,
  firstTokenSeconds,
  serviceWithin,
} from "../bench/fairness/fair-metrics.ts";
import { idleReturn, SUITES, sybil, type Suite } from "../bench/fairness/suites.ts";
import { seededRandom } from "../bench/workload.ts";
import { ArtifactOrder } from "./artifact-order.ts";

function suite(name: string): Suite {
  const found = SUITES.map((make) => make()).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no suite is called ${name}`);
  return found;
}

async function run(workload: Suite, order: string) {
  // What is left when nothing comes any more says nothing.
  const cutSeconds = workload.durationSeconds + 10;
  const { served, spreadOverBound } = await replay(workload, orderOf(order), { cutSeconds });
  const gapAt = (seconds: number): number => {
    const sums = [...accumulated(served, seconds).values()];
    return Math.max(...sums) - Math.min(...sums);
  };
  const shareOf = (tenantId: string, from: number, until: number): number => {
    const window = serviceWithin(served, from, until);
    const total = [...window.values()].reduce((sum, units) => sum + units, 0);
    return (100 * (window.get(tenantId) ?? 0)) / total;
  };
  const { durationSeconds } = workload;
  return { served, spreadOverBound, gapAt, shareOf, ...fairMetrics(served, durationSeconds) };
}

describe("VTC", () => {
  it("W1: serves two overloading clients equally within 2U, where FCFS serves by rate", async () => {
    const [vtc, fcfs] = [await run(suite("overload"), "vtc"), await run(suite("overload"), "fcfs")];
    expect(vtc.maxAccDiff).toBeLessThanOrEqual(2 * BOUND_TOKENS);
    expect(vtc.spreadOverBound).toBeLessThanOrEqual(1);
    // Flat against growing with time.
    expect(vtc.gapAt(360)).toBeLessThanOrEqual(vtc.gapAt(120) + BOUND_TOKENS / 4);
    expect(fcfs.gapAt(360)).toBeGreaterThan(2.5 * fcfs.gapAt(120));
    expect(vtc.tokensPerSecond / fcfs.tokensPerSecond).toBeGreaterThan(0.99);
  });

  it("W4: keeps who asks for less than its share waiting for seconds, not for minutes", async () => {
    const workload = suite("on_off_less");
    const [vtc, fcfs] = [await run(workload, "vtc"), await run(workload, "fcfs")];
    const seconds = (served: typeof vtc.served) => firstTokenSeconds(served, "c0");
    expect(seconds(vtc.served).p99).toBeLessThanOrEqual(10);
    expect(seconds(fcfs.served).mean).toBeGreaterThan(8 * seconds(vtc.served).mean);
  });

  it("W2: serves long prompts and long answers by cost, within 2U but for the start", async () => {
    const vtc = await run(suite("poisson_short_long_2"), "vtc");
    expect(vtc.spreadOverBound).toBeLessThanOrEqual(1);
    expect(Math.abs(vtc.gapAt(600) - vtc.gapAt(200))).toBeLessThanOrEqual(2 * BOUND_TOKENS);
  });

  it("W3: serves many small requests and few large ones by cost, where FCFS serves by what comes", async () => {
    const [vtc, fcfs] = [
      await run(suite("poisson_short_long"), "vtc"),
      await run(suite("poisson_short_long"), "fcfs"),
    ];
    expect(vtc.spreadOverBound).toBeLessThanOrEqual(1);
    expect(Math.abs(vtc.gapAt(600) - vtc.gapAt(200))).toBeLessThanOrEqual(2 * BOUND_TOKENS);
    expect(fcfs.gapAt(600)).toBeGreaterThan(5 * vtc.gapAt(600));
  });

  it("serves by weight, whatever the rates", async () => {
    const { served } = await run(suite("overload-weighted"), "vtc");
    const service = serviceWithin(served, 60, 240);
    const unit = (service.get("c0") ?? Number.NaN) / 1;
    for (const [index, weight] of [1, 2, 3, 4].entries()) {
      const ratio = (service.get(`c${index}`) ?? 0) / unit / weight;
      expect(Math.abs(ratio - 1)).toBeLessThanOrEqual(0.1);
    }
  });

  it("W5: gives a half to who comes back from idling, no credit (LCF) and no debt of others (FCFS)", async () => {
    const share = async (order: string) => (await run(idleReturn(), order)).shareOf("c0", 200, 300);
    expect(Math.abs((await share("vtc")) - 50)).toBeLessThanOrEqual(3);
    expect(await share("lcf")).toBeGreaterThan(90);
    expect(await share("fcfs")).toBeLessThan(10);
  });

  it("W8: gives a half to a tenant with one key beside one with eight", async () => {
    const { shareOf } = await run(sybil(), "vtc");
    expect(Math.abs(shareOf("one", 30, 360) - 50)).toBeLessThanOrEqual(2);
  });

  it("is as good on average with predictions, and better", async () => {
    const avg = async (order: string) => (await run(suite("overload"), order)).avgDiff;
    expect(await avg("vtc-oracle")).toBeLessThan(await avg("vtc"));
  });
});

describe("where the published code departs from the paper", () => {
  const poolTokens = 1_000;
  const boundTokens = 2 * poolTokens;
  const tokens = (units: number) => units / 5_040;

  it("W6: a never-seen client comes to an empty queue: lifted to the last one, not left at zero", () => {
    const spreadAfter = (order: AdmissionOrder<string>, spread: () => number): number => {
      const server = new TraceServer(order, { poolTokens });
      const send = (id: string) =>
        server.send({ path: [id], promptTokens: 100, outputTokens: 100 });
      for (let count = 0; count < 40; count++) send("heavy");
      while (server.live.length > 0) server.step();
      for (let count = 0; count < 20; count++) {
        send("never-seen");
        send("heavy");
      }
      let most = 0;
      for (let step = 0; step < 300; step++) {
        server.step();
        most = Math.max(most, spread());
      }
      return most;
    };
    const [fair, artifact] = [new FairQueue<string>(), new ArtifactOrder()];
    expect(spreadAfter(fair, () => tokens(fair.spreadUnits))).toBeLessThanOrEqual(boundTokens);
    expect(spreadAfter(artifact, () => artifact.spread)).toBeGreaterThan(3 * boundTokens);
  });

  it("W18: charges every token once, the first included, so that mixed lengths stay within 2U for ever", () => {
    const gapsOf = (order: AdmissionOrder<string>): number[] => {
      const server = new TraceServer(order, { poolTokens });
      const random = seededRandom(18);
      const lengths = { long: 200, short: 4 };
      return Array.from({ length: 4 }, () => {
        for (let step = 0; step < 1_200; step++) {
          for (const id of ["long", "short"] as const) {
            const waiting = server.live.filter(
              ({ tenantId, state }) => tenantId === id && state === "waiting",
            ).length;
            for (let count = waiting; count < 40; count++) {
              const outputTokens = 1 + Math.floor(random() * lengths[id]);
              const sent = { promptTokens: 10, outputTokens, outputTokensMax: lengths[id] };
              server.send({ path: [id], ...sent });
            }
          }
          server.step();
        }
        return tokens(Math.abs(server.servedTo("long") - server.servedTo("short")));
      });
    };
    for (const gap of gapsOf(new FairQueue())) expect(gap).toBeLessThanOrEqual(2 * boundTokens);
    const artifact = gapsOf(new ArtifactOrder());
    // It grows with time and passes any bound.
    expect(artifact.at(-1)).toBeGreaterThan(2 * boundTokens);
    expect(artifact.at(-1)).toBeGreaterThan(1.5 * (artifact[1] ?? 0));
  });
});
