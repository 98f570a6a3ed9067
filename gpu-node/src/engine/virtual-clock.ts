// Owns simulated time: it stands still until somebody moves it, so that hours of serving pass in seconds and repeat
// exactly. Invariant: it never goes back.
import { assert, type Clock } from "@fairlane/base";

export class VirtualClock implements Clock {
  #nowUs = 0;

  get nowUs(): number {
    return this.#nowUs;
  }

  /** Whole milliseconds since the start of the simulation. */
  nowMs(): number {
    return Math.floor(this.#nowUs / 1_000);
  }

  /** Moves the time forward to `us`; a time that has passed already changes nothing. */
  advanceTo(us: number): void {
    assert(Number.isFinite(us), `time cannot move to ${us}`);
    this.#nowUs = Math.max(this.#nowUs, us);
  }
}
