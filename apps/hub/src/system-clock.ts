// Owns the hub's access to real time; everything else gets a Clock.
import type { Clock } from "@fairlane/base";

export const systemClock: Clock = { nowMs: () => Date.now() };
