// Owns how the engine worker takes adapters in and lets them go: the packed form comes from an earlier run's file, or the
// engine makes it on a thread of its own. Invariants: additions and removals take effect in the order in which they came;
// each addition is answered once.
import type { ErrorValue } from "@fairlane/protocol";
import { AdapterError, type AdapterSpec, type PackedAdapter } from "../engine/adapter-spec.ts";
import type { Engine } from "../engine/engine.ts";
import type { FromWorker } from "../engine/worker-messages.ts";
import type { AdapterResidency } from "./adapter-residency.ts";
import { ADAPTER_POOL_PERCENT_MAX } from "./limits.ts";
import { bytesIn } from "./packed-store.ts";
import type { ReadAdapter } from "./read-adapter.ts";

export interface AdapterIntakeOptions {
  readonly engine: Pick<Engine, "packAdapter" | "info">;
  readonly residency: AdapterResidency;
  readonly post: (message: FromWorker) => void;
}

export class AdapterIntake {
  readonly #options: AdapterIntakeOptions;
  #inTurn: Promise<void> = Promise.resolve();

  constructor(options: AdapterIntakeOptions) {
    this.#options = options;
  }

  /** Takes an adapter in, and says so or why not. */
  add(adapter: ReadAdapter): void {
    this.#inTurn = this.#inTurn.then(() => this.#add(adapter));
  }

  /** Forgets an adapter once no request needs it. */
  remove(digest: string): void {
    const { residency } = this.#options;
    this.#inTurn = this.#inTurn.then(() => residency.remove(digest));
  }

  async #add(adapter: ReadAdapter): Promise<void> {
    const { post } = this.#options;
    const { digest } = adapter;
    try {
      const packed = await this.#pack(adapter);
      const refusal = this.#refusalOf(packed);
      if (refusal !== null) return post({ type: "adapter-refused", digest, error: refusal });
      const state = this.#options.residency.add(digest, packed.pageCount);
      post({ type: "adapter-added", digest, packedBytes: bytesIn(packed), state });
    } catch (thrown) {
      post({ type: "adapter-refused", digest, error: errorOf(thrown) });
    }
  }

  async #pack(adapter: ReadAdapter): Promise<PackedAdapter> {
    const { engine, residency } = this.#options;
    const { store } = residency;
    const kept = store.get(adapter.digest) ?? (await store.read(adapter.digest));
    if (kept !== undefined) return kept;
    const packed = await engine.packAdapter(adapterSpecOf(adapter));
    if (this.#refusalOf(packed) === null) await store.write(adapter.digest, packed);
    return packed;
  }

  #refusalOf({ pageCount }: PackedAdapter): ErrorValue | null {
    const { engine, residency } = this.#options;
    const pagesMax = Math.floor((engine.info.pageCount * ADAPTER_POOL_PERCENT_MAX) / 100);
    if (pageCount > pagesMax) {
      const message =
        `The adapter takes ${pageCount} pages of this node's pool; one may take ${pagesMax} of its ` +
        `${engine.info.pageCount}. Please give the node more --kv-memory.`;
      return { code: "invalid_value", message, param: "lora_path" };
    }
    if (residency.count < engine.info.adapterSlots) return null;
    const message = `The engine has ${engine.info.adapterSlots} adapters, as many as it has slots for.`;
    return { code: "overloaded", message, param: null };
  }
}

/** The adapter as the engine packs it. */
export function adapterSpecOf({ weightsPath: path, modules }: ReadAdapter): AdapterSpec {
  return modules.map(({ layer, target, rank, scaling, a, b }) => {
    const tensor = ({ offsetBytes, type, dims }: typeof a) => {
      const [rows = 0, columns = 0] = dims;
      // The reader lets these three types pass.
      const dtype = type === "f16" || type === "bf16" ? type : "f32";
      return { path, offset: offsetBytes, dtype, shape: [rows, columns] } as const;
    };
    return { layer, module: target, rank, scaling, a: tensor(a), b: tensor(b) };
  });
}

function errorOf(thrown: unknown): ErrorValue {
  if (thrown instanceof AdapterError) {
    const message = `The adapter was refused: ${thrown.message}.`;
    return { code: "invalid_value", message, param: thrown.code };
  }
  const reason = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
  const message = `The adapter cannot be kept on this node's disk (${reason}).`;
  return { code: "storage_unavailable", message, param: null };
}
