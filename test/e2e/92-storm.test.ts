// Kills and disconnects at random points under load: the ledger equals the nodes' journals to the token, and no client has
// a token that nobody is billed for. `npm run test:long` makes 2,000 disconnects and a hundred kills.
import { isLongRun } from "@fairlane/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Storm } from "./platform/storm.ts";

// A long run begins somewhere new, and says where; the reduced one is the same each time.
const SEED = isLongRun() ? Date.now() % 1_000_000 : 8;
const ROUNDS = isLongRun() ? 25 : 1;
const LEAST = isLongRun()
  ? { requests: 200, kills: 4, disconnects: 80 }
  : { requests: 60, kills: 3, disconnects: 20 };

let storm: Storm;
beforeAll(async () => void (storm = await Storm.start(SEED)));
afterAll(() => storm[Symbol.asyncDispose]());

describe(`a storm of seed ${SEED}`, () => {
  it("loses, doubles and gives away no token", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      await storm.round(LEAST);
      const counts = await storm.counts();
      if (isLongRun()) process.stderr.write(`${JSON.stringify(counts)}\n`);
      expect(counts).toMatchObject({
        tokensDiff: 0,
        unbilledReceivedTokens: 0,
        repeatedTokens: 0,
      });
      expect(counts.receivedTokens).toBeGreaterThan(100);
      // In each of two regions, over one tenant's books.
      expect(Math.min(...counts.requestsByRegion)).toBeGreaterThan(LEAST.requests / 10);
      expect(counts.requestsByRegion).toHaveLength(2);
    }
  });
});
