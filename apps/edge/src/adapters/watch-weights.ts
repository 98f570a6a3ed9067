// Owns looking at an adapter's weights while they pass: keeps the header, and refuses as soon as it is wrong, long before
// a large file has arrived. Holds no more than the header's bound.
import {
  AppError,
  headerProblem,
  SAFETENSORS_PREFIX_BYTES,
  safetensorsHeaderBytes,
} from "@fairlane/protocol";

export class WeightsWatch {
  readonly #fileBytes: number;
  #kept = new Uint8Array(SAFETENSORS_PREFIX_BYTES);
  #keptBytes = 0;
  #isPrefix = true;

  constructor(fileBytes: number) {
    this.#fileBytes = fileBytes;
  }

  /** Takes the next bytes; throws AppError `invalid_adapter`. */
  heard(chunk: Uint8Array): void {
    let offset = 0;
    while (this.#keptBytes < this.#kept.length && offset < chunk.length) {
      const part = chunk.subarray(offset, offset + this.#kept.length - this.#keptBytes);
      this.#kept.set(part, this.#keptBytes);
      this.#keptBytes += part.length;
      offset += part.length;
      if (this.#keptBytes === this.#kept.length) this.#full();
    }
  }

  /** All has passed; throws AppError when the header did not. */
  ended(): void {
    if (this.#isPrefix || this.#keptBytes < this.#kept.length) {
      throw invalidWeights("it ends within its header");
    }
  }

  #full(): void {
    if (!this.#isPrefix) {
      const dataBytes = this.#fileBytes - SAFETENSORS_PREFIX_BYTES - this.#kept.length;
      const problem = headerProblem({ json: this.#kept, dataBytes });
      if (problem !== undefined) throw invalidWeights(problem);
      return;
    }
    const headerBytes = safetensorsHeaderBytes(this.#kept);
    if (typeof headerBytes === "string") throw invalidWeights(headerBytes);
    if (SAFETENSORS_PREFIX_BYTES + headerBytes > this.#fileBytes) {
      throw invalidWeights("it ends within its header");
    }
    this.#isPrefix = false;
    this.#kept = new Uint8Array(headerBytes);
    this.#keptBytes = 0;
  }
}

function invalidWeights(problem: string): AppError {
  const message = `adapter_model.safetensors was refused: ${problem}.`;
  return new AppError("invalid_adapter", message, { param: "adapter_model.safetensors" });
}
