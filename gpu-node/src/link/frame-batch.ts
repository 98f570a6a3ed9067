// Owns the joining of frames into messages: what a turn of the event loop makes for a link leaves as one message, since a
// hub pays for each. Invariant: frames keep their order, and no message is over its bounds.
import { protocolLimits } from "@fairlane/protocol";
import { BATCH_CHARS_MAX } from "./limits.ts";

export class FrameBatch {
  readonly #send: (message: string) => void;
  #waiting: string[] = [];
  #waitingChars = 0;
  #turn: NodeJS.Immediate | undefined;

  /** @param send takes the text of a message */
  constructor(send: (message: string) => void) {
    this.#send = send;
  }

  /** Adds a frame, as JSON text; it leaves before the next turn of the event loop. */
  add(frameText: string): void {
    const isFull =
      this.#waiting.length >= protocolLimits.BATCH_FRAMES_MAX ||
      this.#waitingChars + frameText.length > BATCH_CHARS_MAX;
    if (isFull) this.flush();
    this.#waiting.push(frameText);
    this.#waitingChars += frameText.length;
    this.#turn ??= setImmediate(() => this.flush());
  }

  /** Sends what waits now. */
  flush(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    const [first] = this.#waiting;
    if (first === undefined) return;
    const message = this.#waiting.length === 1 ? first : `[${this.#waiting.join(",")}]`;
    this.drop();
    this.#send(message);
  }

  /** Forgets what waits. */
  drop(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#waiting = [];
    this.#waitingChars = 0;
  }
}
