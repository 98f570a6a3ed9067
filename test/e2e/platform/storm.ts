// Owns a storm: clients of several tenants that ask in two regions, read and leave at random points while nodes and the
// runtime of hub and edges are killed at random moments; then the books are compared. Random choices follow from the seed,
// moments do not.
import { setTimeout as sleep } from "node:timers/promises";
import { isSettled, readBooks, tokensDiff, unbilledTokens } from "./compare-books.ts";
import { sendStormRequest } from "./storm-client.ts";
import { StormFleet, type StormTenant } from "./storm-fleet.ts";

const NODES = [
  { name: "storm-1", region: "local" },
  { name: "storm-2", region: "local" },
  { name: "storm-3", region: "local-2" },
] as const;
const TENANTS = 3;
const CLIENTS = 12;
const TOKENS_MAX = 40;
/** Of the requests so many in a hundred are streamed, and of those so many left. */
const STREAMED_PERCENT = 85;
const LEAVING_PERCENT = 45;
const KILL_PAUSE_MS = { least: 150, most: 900 };
const SETTLE_TIMEOUT_MS = 90_000;
const SETTLE_POLL_MS = 100;
/** A client that the platform turned away waits as an SDK would. */
const RETRY_MS = 50;

export interface Round {
  readonly requests: number;
  readonly kills: number;
  readonly disconnects: number;
}

export interface StormCounts extends Round {
  readonly rounds: number;
  readonly tokensDiff: number;
  readonly unbilledReceivedTokens: number;
  /** Tokens that clients have received, and those that came a second time. */
  readonly receivedTokens: number;
  readonly repeatedTokens: number;
  /** Requests that were answered in each region. */
  readonly requestsByRegion: readonly number[];
  /** Streams that went on over another connection after theirs had broken. */
  readonly comebacks: number;
}

/** Park and Miller's generator: the same choices for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = (seed % 2_147_483_646) + 1;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

export class Storm implements AsyncDisposable {
  readonly #fleet: StormFleet;
  readonly #tenants: readonly StormTenant[];
  readonly #random: (below: number) => number;
  readonly #received = new Map<string, number>();
  #rounds = 0;
  #requests = 0;
  readonly #requestsByRegion: number[] = [];
  #kills = 0;
  #disconnects = 0;
  #comebacks = 0;
  #repeatedTokens = 0;

  private constructor(fleet: StormFleet, tenants: readonly StormTenant[], seed: number) {
    this.#fleet = fleet;
    this.#tenants = tenants;
    this.#random = randomOf(seed);
  }

  static async start(seed: number): Promise<Storm> {
    const fleet = await StormFleet.start(NODES);
    try {
      const tenants: StormTenant[] = [];
      for (let i = 0; i < TENANTS; i++) tenants.push(await fleet.newTenant(`storm-${i}`));
      return new Storm(fleet, tenants, seed);
    } catch (error) {
      // Its nodes are processes of their own.
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Blows until at least so many requests were answered, parts killed and streams left; then waits for the books. */
  async round(least: Round): Promise<void> {
    const isOver = () =>
      this.#requests - before.requests >= least.requests &&
      this.#kills - before.kills >= least.kills &&
      this.#disconnects - before.disconnects >= least.disconnects;
    const before = { requests: this.#requests, kills: this.#kills, disconnects: this.#disconnects };
    const killing = this.#killUntil(isOver, least.kills, before.kills);
    const clients = Array.from({ length: CLIENTS }, () => this.#askUntil(isOver));
    await Promise.all([killing, ...clients]);
    await this.#settled();
    this.#rounds += 1;
  }

  /** What the books say of everything so far. */
  async counts(): Promise<StormCounts> {
    const books = await this.#books();
    return {
      rounds: this.#rounds,
      requests: this.#requests,
      kills: this.#kills,
      disconnects: this.#disconnects,
      tokensDiff: tokensDiff(books),
      unbilledReceivedTokens: unbilledTokens(books, this.#received),
      repeatedTokens: this.#repeatedTokens,
      comebacks: this.#comebacks,
      requestsByRegion: this.#requestsByRegion,
      receivedTokens: [...this.#received.values()].reduce((sum, tokens) => sum + tokens, 0),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#fleet[Symbol.asyncDispose]();
  }

  async #askUntil(isOver: () => boolean): Promise<void> {
    const { edgeUrls } = this.#fleet;
    while (!isOver()) {
      const region = this.#random(edgeUrls.length);
      const isStreamed = this.#random(100) < STREAMED_PERCENT;
      const maxTokens = 1 + this.#random(TOKENS_MAX);
      const leaves = isStreamed && this.#random(100) < LEAVING_PERCENT;
      const received = await sendStormRequest({
        edgeUrl: edgeUrls[region] ?? "",
        tenant: this.#tenants[this.#random(TENANTS)] ?? { tenantId: "", apiKey: "" },
        isStreamed,
        maxTokens,
        leaveAfterTokens: leaves ? this.#random(maxTokens) : null,
        comesBack: this.#random(2) === 0,
        content: `Storm ${this.#random(50)}: ${"say something ".repeat(this.#random(8))}`,
      });
      const { requestId, status, tokens, hasLeft, hasComeBack, repeatedTokens } = received;
      if (hasComeBack) this.#comebacks += 1;
      this.#repeatedTokens += repeatedTokens;
      if (requestId !== null) this.#received.set(requestId, tokens);
      if (status === 200) {
        this.#requests += 1;
        this.#requestsByRegion[region] = (this.#requestsByRegion[region] ?? 0) + 1;
      } else await sleep(RETRY_MS);
      if (hasLeft) this.#disconnects += 1;
    }
  }

  /** Kills at random until the round is over, and no more often than asked once its kills are done. */
  async #killUntil(isOver: () => boolean, killCount: number, before: number): Promise<void> {
    while (!isOver() && this.#kills - before < killCount) {
      const { least, most } = KILL_PAUSE_MS;
      await sleep(least + this.#random(most - least));
      const target = this.#random(5);
      const { name } = NODES[this.#random(NODES.length)] ?? NODES[0];
      if (target <= 1) await this.#fleet.killNode(name);
      else if (target <= 3) await this.#fleet.killWorkerd();
      else await Promise.all([this.#fleet.killNode(name), this.#fleet.killWorkerd()]);
      this.#kills += 1;
    }
  }

  #books() {
    const files = this.#fleet.nodeNames.map((name) => this.#fleet.journalOf(name));
    return readBooks(this.#fleet.edge, files);
  }

  async #settled(): Promise<void> {
    const startedMs = Date.now();
    for (;;) {
      const books = await this.#books();
      if (isSettled(books)) return;
      if (Date.now() - startedMs > SETTLE_TIMEOUT_MS) {
        const { journal, ledger, openCount } = books;
        throw new Error(
          `the books did not settle: ${openCount} open, ${journal.size} in journals, ${ledger.length} in the ledger`,
        );
      }
      await sleep(SETTLE_POLL_MS);
    }
  }
}
