// Owns the page copies of a plan for the check engine, and that they are sound as the core wants them.
import { assert } from "@fairlane/base";
import { NONE, PLAN_HEADER, type PlanViews } from "../../engine/step-layout.ts";

/** Copies pages of `pages` as they were before the step; returns the targets. */
export function copyPages(
  plan: PlanViews,
  pages: Int32Array,
  pageTokens: number,
): ReadonlySet<number> {
  const count = plan.header[PLAN_HEADER.pageCopies] ?? 0;
  const sources = plan.copy_src_page.subarray(0, count);
  const targets = new Set<number>();
  for (let i = 0; i < count; i++) {
    const [source = NONE, target = NONE] = [sources[i], plan.copy_dst_page[i]];
    assert(!targets.has(target), `page ${target} is copied to twice`);
    assert(!sources.includes(target), `page ${target} is copied and copied to`);
    pages.copyWithin(target * pageTokens, source * pageTokens, (source + 1) * pageTokens);
    targets.add(target);
  }
  return targets;
}
