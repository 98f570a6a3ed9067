// Owns the choice of what leaves the pool under pressure, one for all kinds of objects: KV blocks and adapters now,
// prompt modules with their issue. Worth = likelihood of reuse x cost to bring back ^ COST_EXPONENT / bytes; the
// likelihood is reuse-likelihood.ts's. Worths are compared as logarithms. A victim is found in O(log objects), amortised:
// all are ordered anew when another half-life is believed. It frees nothing itself.
// Invariants: an object in use is never chosen; an owner within its floor loses nothing while another one is above its.
import { assert } from "@fairlane/base";
import { EVICTED_ENTRIES_MAX } from "../limits.ts";
import { EvictionQueue, type QueueEntry } from "./eviction-queue.ts";
import { ReuseLikelihood, type Uses } from "./reuse-likelihood.ts";

/** Below 1, since what is dear to bring back is mostly large as well: docs/adr/2026-11-21-eviction-worth.md. */
const COST_EXPONENT = 0.7;

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
  readonly uses: Uses;
}

/** Bytes of one owner: below the floor it is protected, above the cap it goes first. */
export interface OwnerShares {
  readonly floorBytes: number;
  readonly capBytes: number;
}

export interface EvictorOptions extends OwnerShares {
  /** Bytes of all that can be kept. */
  readonly poolBytes: number;
}

/** Owners are queued by the candidate that each would lose first. */
interface Owner<Item extends Evictable> extends QueueEntry {
  /** All of the owner's objects, those in use included. */
  bytes: number;
  entryCount: number;
  readonly candidates: EvictionQueue<EvictionEntry<Item>>;
  /** The queue in which it is, while it has a candidate. */
  rank: OwnerRank;
}

/** 0 goes first: above the cap, above the floor, within the floor. */
type OwnerRank = 0 | 1 | 2;

export class Evictor<Item extends Evictable> {
  readonly #options: EvictorOptions;
  readonly #owners = new Map<string, Owner<Item>>();
  readonly #ranked = [0, 1, 2].map(() => new EvictionQueue<Owner<Item>>());
  readonly #likelihood: ReuseLikelihood;
  /** Uses of what was evicted, oldest first. */
  readonly #usesOfGone = new Map<string, Uses>();
  #clock = 0;

  constructor(options: EvictorOptions) {
    this.#options = options;
    this.#likelihood = new ReuseLikelihood(options.poolBytes);
  }

  /** Takes in an object that is in use; this is its first use, unless it was here before. */
  add<Own extends Item>(item: Own): EvictionEntry<Own> {
    assert(item.bytes > 0 && item.costToBringBackMs >= 0, `${item.kind}: ${item.bytes} bytes`);
    let owner = this.#owners.get(item.owner);
    if (owner === undefined) {
      const candidates = new EvictionQueue<EvictionEntry<Item>>();
      owner = { bytes: 0, entryCount: 0, candidates, rank: 2, worth: 0, usedAt: 0, at: -1 };
      this.#owners.set(item.owner, owner);
    }
    owner.bytes += item.bytes;
    owner.entryCount += 1;
    if (this.#likelihood.takeIn(item.bytes)) this.#orderAnew();
    const known = this.#usesOfGone.get(item.key);
    this.#usesOfGone.delete(item.key);
    const uses = known ?? this.#likelihood.firstUse();
    if (known !== undefined) this.#likelihood.count(known);
    this.#clock += 1;
    this.#rankAgain(owner);
    return { item, uses, worth: 0, usedAt: this.#clock, at: -1 };
  }

  /** Notes a use of an object that is no candidate. */
  noteUse(entry: EvictionEntry<Item>): void {
    assert(entry.at === -1, "a candidate was used without leaving the queue");
    this.#likelihood.count(entry.uses);
    this.#clock += 1;
    entry.usedAt = this.#clock;
  }

  /** Says whether the object may be chosen: not in use, and nothing that depends on it is kept. */
  setCandidate(entry: EvictionEntry<Item>, isCandidate: boolean): void {
    if (isCandidate === entry.at >= 0) return;
    const owner = this.#ownerOf(entry);
    if (isCandidate) {
      entry.worth = this.#worthOf(entry);
      owner.candidates.add(entry);
    } else owner.candidates.remove(entry);
    this.#rankAgain(owner);
  }

  /** Forgets an object. */
  remove(entry: EvictionEntry<Item>): void {
    const owner = this.#ownerOf(entry);
    if (entry.at >= 0) owner.candidates.remove(entry);
    owner.bytes -= entry.item.bytes;
    owner.entryCount -= 1;
    this.#rankAgain(owner);
    if (owner.entryCount === 0) this.#owners.delete(entry.item.owner);
  }

  /** Bytes that the owner has, in use or not. */
  bytesOf(owner: string): number {
    return this.#owners.get(owner)?.bytes ?? 0;
  }

  /** Chooses and forgets the next victim; undefined when all objects are in use. */
  takeVictim(): Item | undefined {
    for (const queue of this.#ranked) {
      const victim = queue.first?.candidates.first;
      if (victim !== undefined) return this.#take(victim);
    }
    return undefined;
  }

  /** The same among the objects of an owner that is above its cap; undefined when it is not, or all are in use. */
  takeVictimAboveCap(owner: string): Item | undefined {
    const known = this.#owners.get(owner);
    if (known === undefined || known.bytes <= this.#options.capBytes) return undefined;
    const { first } = known.candidates;
    return first && this.#take(first);
  }

  #take(entry: EvictionEntry<Item>): Item {
    this.remove(entry);
    this.#usesOfGone.set(entry.item.key, entry.uses);
    if (this.#usesOfGone.size > EVICTED_ENTRIES_MAX) {
      const [oldest] = this.#usesOfGone.keys();
      if (oldest !== undefined) this.#usesOfGone.delete(oldest);
    }
    return entry.item;
  }

  #worthOf({ item, uses }: EvictionEntry<Item>): number {
    const costLog2 = COST_EXPONENT * Math.log2(item.costToBringBackMs);
    return this.#likelihood.log2Of(uses) + costLog2 - Math.log2(item.bytes);
  }

  #orderAnew(): void {
    for (const owner of this.#owners.values()) {
      owner.candidates.orderAnew((entry) => this.#worthOf(entry));
      if (owner.at >= 0) this.#ranked[owner.rank]?.remove(owner);
      this.#rankAgain(owner);
    }
  }

  /** Puts the owner where its bytes and its first candidate say. O(log owners). */
  #rankAgain(owner: Owner<Item>): void {
    const { first } = owner.candidates;
    const rank = this.#rankOf(owner);
    if (owner.at >= 0) {
      if (first !== undefined && rank === owner.rank && first.usedAt === owner.usedAt) return;
      this.#ranked[owner.rank]?.remove(owner);
    }
    if (first === undefined) return;
    owner.rank = rank;
    owner.worth = first.worth;
    owner.usedAt = first.usedAt;
    this.#ranked[rank]?.add(owner);
  }

  #rankOf({ bytes }: Owner<Item>): OwnerRank {
    const { capBytes, floorBytes } = this.#options;
    if (bytes > capBytes) return 0;
    return bytes > floorBytes ? 1 : 2;
  }

  #ownerOf(entry: EvictionEntry<Item>): Owner<Item> {
    const owner = this.#owners.get(entry.item.owner);
    assert(owner !== undefined, `nothing of owner ${entry.item.owner} is kept`);
    return owner;
  }
}
