// GET /v1/fairlane/fair-share: where the caller's own tenant stands in its region (from the hub, to the second) and its
// share of all service by hour (from D1). GET /v1/fairlane/admin/fair-share: where all tenants stand, those farthest
// ahead first. Counters are told in tokens: one is what an uncached prompt token costs at weight 1.
import { fairHoursOf, fairTotals, type TenantHour, type TenantService } from "@fairlane/db";
import { AppError, type FairPosition, type FleetStanding } from "@fairlane/protocol";
import { UNITS_PER_TOKEN } from "@fairlane/vtc";
import { z } from "zod";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { authorize } from "../auth/authorize.ts";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import {
  FAIR_SHARE_HOURS_DEFAULT,
  FAIR_SHARE_HOURS_MAX,
  FAIR_SHARE_TENANTS_MAX,
  FAIR_SHARE_TIMEOUT_MS,
  RETRY_AFTER_MS,
} from "../limits.ts";
import { withTimeout } from "../with-timeout.ts";

const HOUR_MS = 3_600_000;
/** The shard that merges the region's service. */
const FLEET_SHARD = 0;

/** Query of the tenant's own view. */
export const fairShareQuery = z.object({
  hours: z
    .string()
    .regex(/^[0-9]{1,6}$/)
    .optional()
    .describe(
      `Hours to look back, 1 to ${FAIR_SHARE_HOURS_MAX}; ${FAIR_SHARE_HOURS_DEFAULT} if absent`,
    ),
});

export function ownFairShareRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { caller, weight } = await authorize(context, deps, "usage:read");
    const { tenantId } = caller;
    const hours = hoursAsked(context.req.query("hours"));
    const fromMs = Math.floor(deps.clock.nowMs() / HOUR_MS) * HOUR_MS - (hours - 1) * HOUR_MS;
    const [standing, rows] = await Promise.all([
      regionStanding(context, deps, tenantId),
      fairHoursOf(deps.ledgers.fallback, tenantId, fromMs),
    ]);
    const [position] = standing.positions;
    return Response.json({
      object: "fairlane.fair_share",
      tenant_id: tenantId,
      weight,
      ...standingBody(standing),
      ...(position === undefined ? {} : positionBody(position, standing.floorUnits)),
      hours: rows.map(hourBody),
    });
  };
}

export function adminFairShareRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const standing = await regionStanding(context, deps);
    const ahead = standing.positions.toSorted(
      (left, right) => right.counterUnits - left.counterUnits,
    );
    const listed = ahead.slice(0, FAIR_SHARE_TENANTS_MAX);
    const ids = listed.map((position) => position.tenantId);
    const totals = await fairTotals(deps.ledgers.fallback, ids);
    const totalOf = new Map(totals.map((total) => [total.tenantId, total]));
    return Response.json({
      object: "fairlane.fair_share_list",
      ...standingBody(standing),
      has_more: ahead.length > listed.length,
      data: listed.map((position) => ({
        tenant_id: position.tenantId,
        weight: position.weight,
        ...positionBody(position, standing.floorUnits),
        service: serviceBody(totalOf.get(position.tenantId)),
      })),
    });
  };
}

/** A tenant's service over all regions since it was first served; zeros for one that never was. */
export function serviceBody(total: Omit<TenantService, "tenantId"> | undefined) {
  return {
    input_tokens: total?.inputTokens ?? 0,
    cached_tokens: total?.cachedTokens ?? 0,
    output_tokens: total?.outputTokens ?? 0,
    service_tokens: tokensOf(total?.serviceUnits ?? 0),
    queue_ms: total?.queueMs ?? 0,
    requests: total?.requests ?? 0,
  };
}

async function regionStanding(
  context: EdgeContext,
  deps: EdgeDependencies,
  tenantId?: string,
): Promise<FleetStanding> {
  const standing = await askHub(context, deps, tenantId);
  if (standing !== null) return standing;
  const message = "The region's hub cannot say at the moment where tenants stand; try again.";
  throw new AppError("overloaded", message, { retryAfterMs: RETRY_AFTER_MS });
}

async function askHub(
  context: EdgeContext,
  deps: EdgeDependencies,
  tenantId?: string,
): Promise<FleetStanding | null> {
  try {
    const asked = hubShard(deps, FLEET_SHARD).fairShare(tenantId);
    return await withTimeout(asked, FAIR_SHARE_TIMEOUT_MS);
  } catch (error) {
    logFailure("fair_share_failed", context.get("requestId"), error);
    return null;
  }
}

function hoursAsked(text: string | undefined): number {
  if (text === undefined) return FAIR_SHARE_HOURS_DEFAULT;
  const hours = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  if (hours >= 1 && hours <= FAIR_SHARE_HOURS_MAX) return hours;
  const message = `'hours' must be an integer from 1 to ${FAIR_SHARE_HOURS_MAX}.`;
  throw new AppError("invalid_value", message, { param: "hours" });
}

function standingBody({ region, floorUnits, activeTenants }: FleetStanding) {
  return { region, floor_tokens: tokensOf(floorUnits), active_tenants: activeTenants };
}

function positionBody({ counterUnits, isActive }: FairPosition, floorUnits: number) {
  return {
    active: isActive,
    counter_tokens: tokensOf(counterUnits),
    // An idle tenant below the floor is lifted to it when it comes back.
    ahead_tokens: tokensOf(Math.max(0, counterUnits - floorUnits)),
  };
}

function hourBody({ hourMs, allServiceUnits, ...total }: TenantHour) {
  const share = allServiceUnits === 0 ? 0 : total.serviceUnits / allServiceUnits;
  return { hour_ms: hourMs, ...serviceBody(total), share: Math.round(share * 10_000) / 10_000 };
}

/** Whole tokens of a number of service units. */
function tokensOf(units: number): number {
  return Math.floor(units / UNITS_PER_TOKEN);
}
