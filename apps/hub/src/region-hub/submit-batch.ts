// Owns the coalescing of submissions to one node: the first after a pause leaves at once, what follows within the
// window shares a frame. Invariant: frames keep the order of submission, and none is over its bounds.
import { protocolLimits } from "@fairlane/protocol";
import { SUBMIT_FRAME_CHARS_MAX, SUBMIT_WINDOW_MS } from "../limits.ts";

export class SubmitBatch {
  readonly #send: (frameText: string) => void;
  #waiting: string[] = [];
  #waitingChars = 0;
  #window: ReturnType<typeof setTimeout> | undefined;

  /** @param send takes the text of a submit frame */
  constructor(send: (frameText: string) => void) {
    this.#send = send;
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
    this.flush();
    this.#openWindow();
  }

  /** Sends what waits now. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const requests = this.#waiting.join(",");
    this.#waiting = [];
    this.#waitingChars = 0;
    this.#send(`{"type":"submit","requests":[${requests}]}`);
  }

  #openWindow(): void {
    this.#window = setTimeout(() => {
      this.#window = undefined;
      if (this.#waiting.length === 0) return;
      this.flush();
      this.#openWindow();
    }, SUBMIT_WINDOW_MS);
  }
}
