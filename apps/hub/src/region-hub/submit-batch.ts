// Owns the coalescing of submissions to one node: the first after a pause leaves at once while the node has little to do;
// everything else shares a frame with what comes within the window. Invariant: frames keep the order of submission, and none is over its bounds.
import type { Clock } from "@fairlane/base";
import { protocolLimits } from "@fairlane/protocol";
import { SUBMIT_AT_ONCE_REQUESTS, SUBMIT_FRAME_CHARS_MAX, SUBMIT_WINDOW_MS } from "../limits.ts";

export class SubmitBatch {
  readonly #send: (frameText: string) => void;
  readonly #clock: Clock;
  #sentMs = Number.NEGATIVE_INFINITY;
  #waiting: string[] = [];
  #waitingChars = 0;
  #window: ReturnType<typeof setTimeout> | undefined;

  /** @param send takes the text of a submit frame */
  constructor(send: (frameText: string) => void, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /**
   * Adds one request, as the JSON text of its element of `requests`.
   * @param liveRequests that the node has, this one included
   */
  add(requestText: string, liveRequests: number): void {
    const isFull =
      this.#waiting.length >= protocolLimits.SUBMIT_REQUESTS_MAX ||
      this.#waitingChars + requestText.length > SUBMIT_FRAME_CHARS_MAX;
    if (isFull) this.flush();
    this.#waiting.push(requestText);
    this.#waitingChars += requestText.length;
    if (this.#window !== undefined) return;
    // No timer for a request that nothing follows: it would run into the next one.
    const isAfterPause = this.#clock.nowMs() - this.#sentMs >= SUBMIT_WINDOW_MS;
    if (isAfterPause && liveRequests <= SUBMIT_AT_ONCE_REQUESTS) return this.flush();
    this.#window = setTimeout(() => {
      this.#window = undefined;
      this.flush();
    }, SUBMIT_WINDOW_MS);
  }

  /** Sends what waits now. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    this.#sentMs = this.#clock.nowMs();
    const requests = this.#waiting.join(",");
    this.#waiting = [];
    this.#waitingChars = 0;
    this.#send(`{"type":"submit","requests":[${requests}]}`);
  }
}
