// Owns the choice of what leaves the pool under pressure, one for all kinds of objects: KV blocks now, adapters and
// prompt modules with their issues. Worth = uses squared x cost to bring back / bytes, on top of an age that rises with
// every victim, so that what is not used again falls behind (GreedyDual-Size-Frequency). Squared, since what was used
// once mostly does not come back; uses are remembered for a while after an eviction. It frees nothing itself.
// Invariants: an object in use is never chosen; an owner within its floor loses nothing while another one is above its.
import { assert } from "@fairlane/base";
import { EVICTED_ENTRIES_MAX } from "../limits.ts";
import { EvictionQueue, type QueueEntry } from "./eviction-queue.ts";

/** What can be evicted. */
export interface Evictable {
  readonly kind: "kv" | "adapter" | "module";
  /** Names its content: the same when it comes back. */
  readonly key: string;
  /** Whose it is: floors and caps hold by owner. */
  readonly owner: string;
  readonly bytes: number;
  /** Predicted time to compute or load it again. */
  readonly costToBringBackMs: number;
}

/** An object as the evictor keeps it; opaque to others but for the object. */
export interface EvictionEntry<Item extends Evictable> extends QueueEntry {
  readonly item: Item;
  uses: number;
}

/** Bytes of one owner: below the floor it is protected, above the cap it goes first. */
export interface OwnerShares {
  readonly floorBytes: number;
  readonly capBytes: number;
}

interface Owner<Item extends Evictable> {
  /** All of the owner's objects, those in use included. */
  bytes: number;
  entryCount: number;
  readonly candidates: EvictionQueue<EvictionEntry<Item>>;
}

export class Evictor<Item extends Evictable> {
  readonly #shares: OwnerShares;
  readonly #owners = new Map<string, Owner<Item>>();
  /** Uses of what was evicted, oldest first. */
  readonly #usesOfGone = new Map<string, number>();
  #age = 0;
  #clock = 0;

  constructor(shares: OwnerShares) {
    this.#shares = shares;
  }

  /** Takes in an object that is in use; this is its first use. */
  add(item: Item): EvictionEntry<Item> {
    assert(item.bytes > 0 && item.costToBringBackMs >= 0, `${item.kind}: ${item.bytes} bytes`);
    let owner = this.#owners.get(item.owner);
    if (owner === undefined) {
      owner = { bytes: 0, entryCount: 0, candidates: new EvictionQueue() };
      this.#owners.set(item.owner, owner);
    }
    owner.bytes += item.bytes;
    owner.entryCount += 1;
    const uses = this.#usesOfGone.get(item.key) ?? 0;
    this.#usesOfGone.delete(item.key);
    const entry: EvictionEntry<Item> = { item, uses, worth: 0, usedAt: 0, at: -1 };
    this.noteUse(entry);
    return entry;
  }

  /** Notes a use of an object that is no candidate. */
  noteUse(entry: EvictionEntry<Item>): void {
    assert(entry.at === -1, "a candidate was used without leaving the queue");
    const { costToBringBackMs, bytes } = entry.item;
    entry.uses += 1;
    this.#clock += 1;
    entry.usedAt = this.#clock;
    entry.worth = this.#age + (entry.uses ** 2 * costToBringBackMs) / bytes;
  }

  /** Says whether the object may be chosen: not in use, and nothing that depends on it is kept. */
  setCandidate(entry: EvictionEntry<Item>, isCandidate: boolean): void {
    if (isCandidate === entry.at >= 0) return;
    const { candidates } = this.#ownerOf(entry);
    if (isCandidate) candidates.add(entry);
    else candidates.remove(entry);
  }

  /** Forgets an object. */
  remove(entry: EvictionEntry<Item>): void {
    const owner = this.#ownerOf(entry);
    if (entry.at >= 0) owner.candidates.remove(entry);
    owner.bytes -= entry.item.bytes;
    owner.entryCount -= 1;
    if (owner.entryCount === 0) this.#owners.delete(entry.item.owner);
  }

  /** Bytes that the owner has, in use or not. */
  bytesOf(owner: string): number {
    return this.#owners.get(owner)?.bytes ?? 0;
  }

  /** Chooses and forgets the next victim; undefined when all objects are in use. */
  takeVictim(): Item | undefined {
    let best: EvictionEntry<Item> | undefined;
    let bestRank = Number.POSITIVE_INFINITY;
    for (const owner of this.#owners.values()) {
      const { first } = owner.candidates;
      if (first === undefined) continue;
      const rank = this.#rankOf(owner);
      if (rank > bestRank || (rank === bestRank && best && best.worth <= first.worth)) continue;
      best = first;
      bestRank = rank;
    }
    return best && this.#take(best);
  }

  /** The same among the objects of an owner that is above its cap; undefined when it is not, or all are in use. */
  takeVictimAboveCap(owner: string): Item | undefined {
    const known = this.#owners.get(owner);
    if (known === undefined || known.bytes <= this.#shares.capBytes) return undefined;
    const { first } = known.candidates;
    return first && this.#take(first);
  }

  #take(entry: EvictionEntry<Item>): Item {
    this.#age = Math.max(this.#age, entry.worth);
    this.remove(entry);
    this.#usesOfGone.set(entry.item.key, entry.uses);
    if (this.#usesOfGone.size > EVICTED_ENTRIES_MAX) {
      const [oldest] = this.#usesOfGone.keys();
      if (oldest !== undefined) this.#usesOfGone.delete(oldest);
    }
    return entry.item;
  }

  /** 0 goes first: above the cap, above the floor, within the floor. */
  #rankOf({ bytes }: Owner<Item>): number {
    const { capBytes, floorBytes } = this.#shares;
    if (bytes > capBytes) return 0;
    return bytes > floorBytes ? 1 : 2;
  }

  #ownerOf(entry: EvictionEntry<Item>): Owner<Item> {
    const owner = this.#owners.get(entry.item.owner);
    assert(owner !== undefined, `nothing of owner ${entry.item.owner} is kept`);
    return owner;
  }
}
