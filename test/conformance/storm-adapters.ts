// Owns the adapters of a storm: packed by the engine under test and kept in a temporary folder, with room in memory for half
// of them, so that loads come from both tiers. It schedules nothing.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AdapterResidency } from "../../gpu-node/src/adapters/adapter-residency.ts";
import { bytesIn, PackedStore } from "../../gpu-node/src/adapters/packed-store.ts";
import type { AdapterSpec, PackedAdapter } from "../../gpu-node/src/engine/adapter-spec.ts";
import type { Engine } from "../../gpu-node/src/engine/engine.ts";

export class StormAdapters implements AsyncDisposable {
  readonly packed: ReadonlyMap<string, PackedAdapter>;
  readonly store: PackedStore;

  private constructor(packed: ReadonlyMap<string, PackedAdapter>, store: PackedStore) {
    this.packed = packed;
    this.store = store;
  }

  static async make(engine: Engine, specs: readonly AdapterSpec[]): Promise<StormAdapters> {
    const { adapterLayout: layout, pageBytes } = engine.info;
    const packed = new Map<string, PackedAdapter>();
    for (const [index, spec] of specs.entries()) {
      packed.set(index.toString(16).padStart(64, "0"), await engine.packAdapter(spec));
    }
    const allBytes = [...packed.values()].reduce((sum, one) => sum + bytesIn(one), 0);
    const folder = await mkdtemp(join(tmpdir(), "fairlane-storm-"));
    const memoryBytesMax = Math.floor(allBytes / 2);
    return new StormAdapters(
      packed,
      await PackedStore.open({ folder, layout, pageBytes, memoryBytesMax }),
    );
  }

  get digests(): readonly string[] {
    return [...this.packed.keys()];
  }

  /** Takes all of them in. */
  async addTo(residency: AdapterResidency): Promise<void> {
    for (const [digest, packed] of this.packed) {
      await this.store.write(digest, packed);
      residency.add(digest, packed.pageCount);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.settled();
    await rm(this.store.folder, { recursive: true, force: true });
  }
}
