// Owns the types of the RPC about fairness over a fleet: RegionHub -> UsageIntake (cells kept for a restart), and
// edge -> RegionHub (where tenants stand). Plain data only: it crosses isolates.

/** Cumulative service of one tenant: see ServiceCell of the fairness package. */
export interface ServiceCounts {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly serviceUnits: number;
  readonly queueMs: number;
  readonly requests: number;
}

/** One cell of one node. */
export interface FleetCell {
  readonly tenantId: string;
  readonly nodeId: string;
  readonly epoch: number;
  readonly weight: number;
  readonly counts: ServiceCounts;
}

/** What another region's nodes gave a tenant in all. */
export interface RemoteService {
  readonly tenantId: string;
  readonly region: string;
  readonly serviceUnits: number;
}

export interface TenantLift {
  readonly tenantId: string;
  readonly units: number;
}

/** What changed since the last call that succeeded. */
export interface FleetChange {
  readonly cells: readonly FleetCell[];
  readonly lifts: readonly TenantLift[];
  readonly floorUnits: number;
  /** The last sequence number of remote service that the caller knows; 0 for none. */
  readonly remoteSeq: number;
}

export interface FleetNews {
  readonly remote: readonly RemoteService[];
  readonly remoteSeq: number;
}

/** A page of what is kept, by tenant. */
export interface FleetPage {
  readonly cells: readonly FleetCell[];
  /** Sums of closed epochs. */
  readonly closed: readonly { readonly tenantId: string; readonly counts: ServiceCounts }[];
  readonly lifts: readonly TenantLift[];
  /** Pass it to get the next page; null with the last. */
  readonly nextTenantId: string | null;
}

/** What is kept besides tenants. */
export interface FleetHead {
  readonly floorUnits: number;
  readonly closedNodes: readonly { readonly nodeId: string; readonly throughEpoch: number }[];
}

/** Where one tenant stands in its region's fleet, in weighted service units. */
export interface FairPosition {
  readonly tenantId: string;
  readonly counterUnits: number;
  readonly serviceUnits: number;
  /** The weight that its charges count by; null when no node has told one since the hub started. */
  readonly weight: number | null;
  /** It has requests at a node. */
  readonly isActive: boolean;
}

export interface FleetStanding {
  readonly region: string;
  /** The smallest counter of the active tenants. */
  readonly floorUnits: number;
  readonly activeTenants: number;
  readonly positions: readonly FairPosition[];
}
