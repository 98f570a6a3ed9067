// Owns the record of a block that the prefix cache keeps: where it is, what it depends on, and whose it is. What it is
// used for is prefix-index.ts's.
import type { EvictionEntry } from "./eviction.ts";
import type { Kept } from "./pool-room.ts";

/** An object as the evictor keeps it. */
export type KeptBlock = EvictionEntry<Block>;

interface BlockFields {
  readonly owner: string;
  readonly bytes: number;
  readonly costToBringBackMs: number;
  readonly kvGroup: number;
  readonly chainKey: string;
  readonly page: number;
  readonly parent: KeptBlock | null;
}

export class Block implements Kept {
  readonly kind = "kv";
  readonly key: string;
  readonly owner: string;
  readonly bytes: number;
  readonly costToBringBackMs: number;
  readonly kvGroup: number;
  readonly chainKey: string;
  readonly page: number;
  readonly parent: KeptBlock | null;
  childCount = 0;
  readonly #keeper: { forget(block: Block): void };

  constructor(fields: BlockFields, keeper: { forget(block: Block): void }) {
    const { chainKey, kvGroup } = fields;
    this.key = kvGroup === 0 ? chainKey : `${chainKey} ${kvGroup}`;
    this.owner = fields.owner;
    this.bytes = fields.bytes;
    this.costToBringBackMs = fields.costToBringBackMs;
    this.kvGroup = kvGroup;
    this.chainKey = chainKey;
    this.page = fields.page;
    this.parent = fields.parent;
    this.#keeper = keeper;
  }

  evicted(): void {
    this.#keeper.forget(this);
  }
}
