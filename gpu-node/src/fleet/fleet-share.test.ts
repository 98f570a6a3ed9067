import { linearCost, UNITS_PER_TOKEN } from "@fairlane/vtc";
import { describe, expect, it } from "vitest";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { NO_COUNTS, type LiveCounts } from "../usage/live-counts.ts";
import { FleetShare } from "./fleet-share.ts";

let nowMs = 0;
const share = () =>
  new FleetShare({
    epoch: 9,
    cost: linearCost(),
    clock: { nowMs: () => nowMs },
    addForeign: () => undefined,
  });
const request = engineRequest("req_1", { tenantId: "ten_a", weight: 2, promptLength: 8 });

const countsOf = (change: Partial<LiveCounts>): LiveCounts => ({ ...NO_COUNTS, ...change });

describe("FleetShare", () => {
  it("counts each token once, the cached ones at their price, and the wait of each request", () => {
    const fleet = share();
    fleet.live("ten_a", true);
    const first = countsOf({ cachedTokens: 4, computedPromptTokens: 3, queueMs: 12 });
    const second = countsOf({ ...first, computedPromptTokens: 4, outputTokens: 1, ttftMs: 20 });
    const third = countsOf({ ...second, outputTokens: 3 });
    fleet.grew(request, NO_COUNTS, first);
    fleet.grew(request, first, second);
    fleet.grew(request, second, second);
    fleet.grew(request, second, third);
    expect(fleet.report()).toEqual({
      epoch: 9,
      cells: [
        {
          tenant_id: "ten_a",
          weight: 2,
          live: true,
          input_tokens: 4,
          cached_tokens: 4,
          output_tokens: 3,
          // (4 + 4 / 20 + 2 x 3) tokens, over the weight.
          service_units: 5.1 * UNITS_PER_TOKEN,
          queue_ms: 12,
          requests: 1,
        },
      ],
    });
    expect(fleet.report().cells).toEqual([]);
  });

  it("counts a further answer's outputs, and neither its prompt nor its wait", () => {
    const fleet = share();
    fleet.grew(request, NO_COUNTS, countsOf({ queueMs: 12, outputTokens: 2 }));
    expect(fleet.report().cells[0]).toMatchObject({
      input_tokens: 0,
      output_tokens: 2,
      service_units: 2 * UNITS_PER_TOKEN,
      requests: 0,
      queue_ms: 0,
    });
  });

  it("tells all cells again to a link that begins", () => {
    const fleet = share();
    fleet.grew(request, NO_COUNTS, countsOf({ computedPromptTokens: 8, queueMs: 0 }));
    fleet.report();
    fleet.linkBegan();
    expect(fleet.report().cells).toHaveLength(1);
  });

  it("knows how old the fleet's news is", () => {
    const fleet = share();
    nowMs = 5_000;
    expect(fleet.newsAgeMs).toBeNull();
    fleet.heard({ type: "service", full: true, floor_units: 0, tenants: [] });
    nowMs = 5_700;
    expect(fleet.newsAgeMs).toBe(700);
  });
});
