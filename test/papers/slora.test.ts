// [S-LoRA] sec. 5 Unified Paging: KV of any length and adapters of any rank share one pool without fragmentation, so that
// memory can be used in full however long the system has run; adapters are loaded on demand beside what runs.
import { describe, expect, it } from "vitest";
import { AdapterRig, digestOf } from "../../gpu-node/src/adapters/testing/adapter-rig.ts";
import { seededRandom } from "../bench/workload.ts";

const POOL_PAGES = 512;
const ADAPTERS = 200;
const OPERATIONS = 100_000;

/** Pages of adapter `index`: ranks 8 to 64 on some to all layers come to 1 to 40. */
const pagesOf = (index: number): number => 1 + ((index * 7) % 40);

/** A pool under random requests: with adapters, and of plain KV. It keeps count of what must be in use. */
class PoolLife {
  readonly #rig: AdapterRig;
  readonly #below: (count: number) => number;
  readonly #pinned: string[] = [];
  readonly #kv: number[][] = [];
  #pinnedPages = 0;
  #kvPages = 0;

  constructor(rig: AdapterRig, draw: () => number) {
    this.#rig = rig;
    this.#below = (count) => Math.floor(draw() * count);
  }

  /** What is in use is what must be; all else of the pool can be had for one thing. */
  get isUsable(): boolean {
    const { room, pool } = this.#rig.scheduler.parts;
    const inUse = this.#pinnedPages + this.#kvPages;
    return room.pagesWithin === POOL_PAGES - inUse && pool.quarantinedCount === 0;
  }

  /** One request comes or goes. */
  live(): void {
    const kind = this.#below(4);
    if (kind === 0) this.#endAdapter();
    else if (kind === 1) this.#endKv();
    else if (kind === 2) this.#beginKv();
    else this.#beginAdapter(digestOf(this.#below(ADAPTERS)));
  }

  endAll(): void {
    while (this.#pinned.length > 0) this.#endAdapter();
    while (this.#kv.length > 0) this.#endKv();
  }

  #endAdapter(): void {
    const { adapters } = this.#rig;
    const [digest] = this.#pinned.splice(this.#below(this.#pinned.length), 1);
    if (digest === undefined) return;
    if (!this.#pinned.includes(digest)) this.#pinnedPages -= adapters.pagesOf(digest);
    adapters.unpin(digest);
  }

  #endKv(): void {
    const [pages = []] = this.#kv.splice(this.#below(this.#kv.length), 1);
    for (const page of pages) this.#rig.scheduler.parts.pool.release(page);
    this.#kvPages -= pages.length;
  }

  #beginKv(): void {
    const { room, pool } = this.#rig.scheduler.parts;
    const count = 1 + this.#below(60);
    const canHave = room.pagesWithin >= count;
    expect(room.makeRoom(count)).toBe(canHave);
    if (!canHave) return;
    this.#kv.push(Array.from({ length: count }, () => pool.allocate("kv")));
    this.#kvPages += count;
  }

  #beginAdapter(digest: string): void {
    const { adapters, scheduler } = this.#rig;
    const pageCount = adapters.pagesOf(digest);
    const canHave = this.#pinned.includes(digest) || scheduler.parts.room.pagesWithin >= pageCount;
    adapters.want({ digest });
    adapters.prepare(digest);
    adapters.copy(digest, null);
    // It comes in at once whenever its pages are there in number, wherever they are.
    const isReady = adapters.readinessOf(digest) === "ready";
    expect(isReady).toBe(canHave);
    if (isReady) this.#pin(digest, pageCount);
    adapters.unwant(digest);
  }

  #pin(digest: string, pageCount: number): void {
    if (!this.#pinned.includes(digest)) this.#pinnedPages += pageCount;
    this.#rig.adapters.pin(digest);
    this.#pinned.push(digest);
  }
}

type Pick = (draw: () => number, adapterCount: number) => number;

const uniform: Pick = (draw, adapterCount) => Math.floor(draw() * adapterCount);

const zipf: Pick = (draw, adapterCount) => {
  const weights = Array.from({ length: adapterCount }, (_, rank) => (rank + 1) ** -1.5);
  let left = draw() * weights.reduce((sum, weight) => sum + weight, 0);
  return Math.max(
    weights.findIndex((weight) => (left -= weight) <= 0),
    0,
  );
};

/** Steps for 3,000 requests of one tenant, of which a hundred wait all the time. Adapters have two pages each. */
async function stepsWith(run: {
  readonly adapterCount: number;
  readonly pageCount: number;
  readonly pick: Pick;
}): Promise<number> {
  await using rig = await AdapterRig.make({
    pageCount: run.pageCount,
    slotCount: 64,
    adapterSlots: 2_000,
    stepBudgetTokens: 512,
    slackUnits: 4_096 * 5_040,
    readsContext: false,
  });
  for (let index = 0; index < run.adapterCount; index++) await rig.add(index, 2);
  const draw = seededRandom(5);
  const { parts } = rig.scheduler;
  for (let sent = 0; sent < 3_000 || rig.scheduler.hasWork;) {
    for (; sent < 3_000 && parts.waiting.count < 100; sent++) {
      const fields = { promptLength: 12, maxOutputTokens: 4 + (sent % 9) };
      rig.submit(`r${sent}`, run.pick(draw, run.adapterCount), fields);
    }
    while (rig.steps.inFlightCount < 2 && rig.start());
    if (rig.steps.inFlightCount > 0) rig.settle(false);
  }
  return parts.pool.submittedStepId;
}

describe("[S-LoRA] Unified Paging", () => {
  it("uses the whole pool after 100,000 random loads and evictions as on the first day", async () => {
    await using rig = await AdapterRig.make({
      pageCount: POOL_PAGES,
      adapterSlots: ADAPTERS,
      distinctCountMax: ADAPTERS,
    });
    for (let index = 0; index < ADAPTERS; index++) await rig.add(index, pagesOf(index));
    const { pool, room } = rig.scheduler.parts;
    const life = new PoolLife(rig, seededRandom(7));
    let unusable = 0;
    for (let operation = 0; operation < OPERATIONS; operation++) {
      life.live();
      if (!life.isUsable) unusable += 1;
    }
    expect(unusable).toBe(0);
    expect(rig.adapters.use.totals.loadCount).toBeGreaterThan(10_000);
    expect(rig.adapters.use.totals.evictedCount).toBeGreaterThan(10_000);

    life.endAll();
    room.flush();
    const all = Array.from({ length: POOL_PAGES }, () => pool.allocate("kv"));
    expect(new Set(all).size).toBe(POOL_PAGES);
    for (const page of all) pool.release(page);
    rig.scheduler.checkIntegrity();
  });

  it.each([
    ["Zipf 1.5, a pool for a tenth", 800, zipf, 1.05],
    ["uniform, a pool for a tenth", 800, uniform, 1.1],
  ])(
    "serves 2,000 adapters in hardly more steps than 5: %s",
    async (popularity, pageCount, pick, most) => {
      const few = await stepsWith({ adapterCount: 5, pageCount: 4_000, pick });
      const many = await stepsWith({ adapterCount: 2_000, pageCount, pick });
      process.stdout.write(
        `2,000 adapters, ${popularity}: ${(many / few).toFixed(3)} of the steps of 5\n`,
      );
      expect(many / few).toBeLessThan(most);
    },
  );

  it("has no page for a rank that is not there: pages follow from what an adapter really has", async () => {
    await using rig = await AdapterRig.make({ pageCount: 64 });
    for (let index = 0; index < 8; index++) await rig.add(index, 1 + index);
    for (let index = 0; index < 8; index++) {
      rig.submit(`r${index}`, index);
      await rig.runToEnd();
    }
    // 1 + 2 + ... + 8; eight slots for the highest rank would be 64.
    expect(rig.adapters.use.pages).toBe(36);
  });
});
