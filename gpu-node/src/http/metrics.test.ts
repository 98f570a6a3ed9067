import { describe, expect, it } from "vitest";
import { NodeMetrics } from "./metrics.ts";

function metrics(): NodeMetrics {
  return new NodeMetrics({
    live: () => 3,
    unackedRecords: () => 0,
    links: () => ({ open: 1, wanted: 2 }),
    fleetNewsAgeMs: () => null,
    isReady: () => true,
  });
}

async function linesOf(all: NodeMetrics): Promise<string[]> {
  return (await all.text()).split("\n");
}

const NOTHING_DISCARDED = { promptTokens: 0, outputTokens: 0 };

describe("NodeMetrics", () => {
  it("tells what steps were made of, how full they were and where their time went", async () => {
    const all = metrics();
    all.step({
      computeUs: 4_000,
      facts: {
        prefillTokens: 100,
        decodeTokens: 28,
        budgetTokens: 256,
        phasesUs: { plan: 20, wait: 3_000, settle: 40 },
      },
      discarded: NOTHING_DISCARDED,
    });
    expect(await linesOf(all)).toEqual(
      expect.arrayContaining([
        "fairlane_node_steps_total 1",
        'fairlane_node_step_tokens_total{kind="prefill"} 100',
        'fairlane_node_step_tokens_total{kind="decode"} 28',
        'fairlane_node_step_budget_use_bucket{le="0.4"} 0',
        'fairlane_node_step_budget_use_bucket{le="0.5"} 1',
        'fairlane_node_step_phase_seconds_bucket{le="0.00001",phase="plan"} 0',
        'fairlane_node_step_phase_seconds_bucket{le="0.000025",phase="plan"} 1',
        'fairlane_node_step_phase_seconds_sum{phase="wait"} 0.003',
        'fairlane_node_step_phase_seconds_sum{phase="settle"} 0.00004',
      ]),
    );
  });

  it("counts what was discarded since the start once, and no step where there was none", async () => {
    const all = metrics();
    all.step({ computeUs: 5, discarded: { promptTokens: 7, outputTokens: 1 } });
    all.step({ computeUs: 0, discarded: { promptTokens: 7, outputTokens: 3 } });
    expect(await linesOf(all)).toEqual(
      expect.arrayContaining([
        'fairlane_node_discarded_tokens_total{kind="prompt"} 7',
        'fairlane_node_discarded_tokens_total{kind="output"} 3',
        "fairlane_node_steps_total 1",
        "fairlane_node_step_budget_use_count 0",
      ]),
    );
  });

  it("counts preemptions and what was computed again since the start once", async () => {
    const all = metrics();
    const discarded = NOTHING_DISCARDED;
    const swapped = { swapCount: 1, savedBytes: 4_096, loadedBytes: 2_048, swapFailureCount: 1 };
    const step = (recomputeCount: number, recomputedTokens: number): void => {
      const preemptions = { recomputeCount, recomputedTokens, ...swapped };
      all.step({ computeUs: 5, discarded, preemptions });
    };
    step(2, 0);
    step(3, 70);
    all.step({ computeUs: 5, discarded });
    expect(await linesOf(all)).toEqual(
      expect.arrayContaining([
        'fairlane_node_preemptions_total{mode="recompute"} 3',
        'fairlane_node_preemptions_total{mode="swap"} 1',
        "fairlane_node_recomputed_tokens_total 70",
        'fairlane_node_swap_bytes_total{direction="out"} 4096',
        'fairlane_node_swap_bytes_total{direction="in"} 2048',
        "fairlane_node_swap_failures_total 1",
      ]),
    );
  });

  it("keeps the times between tokens", async () => {
    const all = metrics();
    const tokens = { cachedTokens: 16, computedPromptTokens: 4, outputTokens: 3 };
    all.grew({ ...tokens, tokenGapsMs: [30, 0, 90] });
    expect(await linesOf(all)).toEqual(
      expect.arrayContaining([
        'fairlane_node_tbt_seconds_bucket{le="0.001"} 1',
        'fairlane_node_tbt_seconds_bucket{le="0.05"} 2',
        "fairlane_node_tbt_seconds_sum 0.12",
        "fairlane_node_tbt_seconds_count 3",
        'fairlane_node_tokens_total{kind="cached_prompt"} 16',
      ]),
    );
  });

  it("reads gauges when somebody asks", async () => {
    const all = metrics();
    all.load({ running: 2, waiting: 5, pagesFree: 10, pagesTotal: 64, fairSpread: 0.25 });
    expect(await linesOf(all)).toEqual(
      expect.arrayContaining([
        "fairlane_node_running_requests 2",
        "fairlane_node_waiting_requests 5",
        "fairlane_node_pages_free 10",
        "fairlane_node_pool_pages 64",
        "fairlane_vtc_spread 0.25",
        "fairlane_node_live_requests 3",
        "fairlane_node_links_open 1",
        "fairlane_node_ready 1",
      ]),
    );
  });
});
