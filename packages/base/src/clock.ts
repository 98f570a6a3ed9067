// Owns the clock interface: time enters pure code and state machines as a parameter, so that tests drive it.

export interface Clock {
  /** Milliseconds since 1970 UTC. */
  nowMs(): number;
}
