// Owns the coalescing of submissions to one node: the first after a pause leaves at once, what follows within the
// window shares a frame. Invariant: frames keep the order of submission, and none is over its bounds.
import type { Clock } from "@fairlane/base";
import { protocolLimits } from "@fairlane/protocol";
import { SUBMIT_FRAME_CHARS_MAX, SUBMIT_WINDOW_MS } from "../limits.ts";

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

  /** Adds one request, as the JSON text of its element of `requests`. */
  add(requestText: string): void {
    const isFull =
      this.#waiting.length >= protocolLimits.SUBMIT_REQUESTS_MAX ||
      this.#waitingChars + requestText.length > SUBMIT_FRAME_CHARS_MAX;
    if (isFull) this.flush();
    this.#waiting.push(requestText);
    this.#waitingChars += requestText.length;
    if (this.#window !== undefined) return;
    // No timer for a request that nothing follows: it would run into the next one.
    if (this.#clock.nowMs() - this.#sentMs >= SUBMIT_WINDOW_MS) return this.flush();
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
