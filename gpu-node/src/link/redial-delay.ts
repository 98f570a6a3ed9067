// Owns how long to wait before a link is dialled again: doubling from a base to a cap, the upper half random so that
// the nodes of a region do not return to a restarted hub in step.
import type { Random } from "@fairlane/base";
import { REDIAL_BASE_MS, REDIAL_CAP_MS } from "./limits.ts";

/** @param failures dials in a row that did not lead to a welcome, >= 0 */
export function redialDelayMs(failures: number, random: Random): number {
  // 2^30 times any base is past any cap; the bound keeps the power a small integer.
  const ceilingMs = Math.min(REDIAL_CAP_MS, REDIAL_BASE_MS * 2 ** Math.min(failures, 30));
  const [low = 0, high = 0] = random.fill(new Uint8Array(2));
  const share = (high * 256 + low) / 65_536;
  return Math.round(ceilingMs / 2 + share * (ceilingMs / 2));
}
