// Owns what of the counters outlives a restart: the floor and the clients above it, level by level. Requests are not
// part of it: they are sent again, and charged where they run. Invariant: whoever is left out stands at or below the
// floor, so that its first request lifts it to the same counter as before.

export interface ClientSnapshot {
  readonly id: string;
  readonly key: number;
  readonly carry: number;
  readonly weight: number;
  /** The level below; null when nobody of it stands above its floor. */
  readonly group: GroupSnapshot | null;
}

export interface GroupSnapshot {
  /** What a client that comes back is lifted to; null before anybody came. */
  readonly floor: number | null;
  readonly clients: readonly ClientSnapshot[];
}
