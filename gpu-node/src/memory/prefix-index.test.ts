import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { BlockChain, chainRoot, type CacheIdentity } from "./block-chain.ts";
import { BlockTable } from "./block-table.ts";
import { PagePool } from "./page-pool.ts";
import { checkPoolIntegrity } from "./pool-integrity.ts";
import { PoolRoom } from "./pool-room.ts";
import { PrefixIndex } from "./prefix-index.ts";

const sha256 = (bytes: Uint8Array): string => hash("sha256", bytes, "base64");

const IDENTITY: CacheIdentity = {
  modelDigest: "sha256-model",
  adapterDigest: null,
  numericsClass: "int8",
  ropeConfig: "base 10000",
  mode: "causal",
};

function tokens(count: number, first = 0): Int32Array {
  return Int32Array.from({ length: count }, (_, index) => first + index);
}

function setup(pageCount: number) {
  const pool = new PagePool(pageCount);
  const room = new PoolRoom(pool, 100);
  const index = new PrefixIndex({
    pool,
    room,
    pageTokens: 4,
    pageBytes: 100,
    identity: IDENTITY,
    sha256,
    blockCostMs: () => 1,
  });
  /** Computes a prompt and keeps its blocks; its pages are the caller's until it releases them. */
  const compute = (salt: string, prompt: Int32Array): BlockTable => {
    const table = new BlockTable(4);
    table.reserve(pool, prompt.length);
    index.publish(index.chainOf(salt, prompt), table, Math.floor(prompt.length / 4));
    return table;
  };
  const matched = (salt: string, prompt: Int32Array): number =>
    index.match(index.chainOf(salt, prompt), Math.floor((prompt.length - 1) / 4)).blockCount;
  return { pool, room, index, compute, matched };
}

describe("chainRoot", () => {
  it("tells apart what shifts between fields, an adapter from none, and every part of the identity", () => {
    const root = (salt: string, identity: CacheIdentity) => chainRoot(salt, identity, sha256);
    const roots = [
      root("org_1", { ...IDENTITY, modelDigest: "2345" }),
      root("org_12345", { ...IDENTITY, modelDigest: "" }),
      root("X", IDENTITY),
      root("", { ...IDENTITY, adapterDigest: "X" }),
      root("", IDENTITY),
      root("", { ...IDENTITY, adapterDigest: "" }),
      root("", { ...IDENTITY, numericsClass: "f32" }),
      root("", { ...IDENTITY, ropeConfig: "base 500000" }),
      root("", { ...IDENTITY, mode: "module" }),
    ];
    expect(new Set(roots).size).toBe(9);
  });
});

describe("BlockChain", () => {
  it("names a block by all that comes before it", () => {
    const chain = (root: string, ...prompt: number[]) =>
      new BlockChain({ root, tokens: Int32Array.from(prompt), blockTokens: 2, sha256 });
    const one = chain("root", 1, 2, 3, 4);
    const other = chain("root", 9, 2, 3, 4);
    expect(one.keyOf(1)).not.toBe(other.keyOf(1));
    expect(one.keyOf(0)).toBe(chain("root", 1, 2).keyOf(0));
    expect(one.keyOf(0)).not.toBe(chain("other", 1, 2).keyOf(0));
  });

  it("names the same block alike whether its tokens were the prompt's or were appended", () => {
    const whole = new BlockChain({ root: "root", tokens: tokens(12), blockTokens: 4, sha256 });
    const keys = [0, 1, 2].map((index) => whole.keyOf(index));
    for (const promptLength of [0, 1, 3, 4, 7, 8, 11]) {
      const prompt = tokens(promptLength);
      const grown = new BlockChain({ root: "root", tokens: prompt, blockTokens: 4, sha256 });
      for (let token = promptLength; token < 12; token++) {
        const full = Math.floor(token / 4);
        expect(() => grown.keyOf(full)).toThrow(`block ${full}`);
        grown.append(token);
      }
      expect([0, 1, 2].map((index) => grown.keyOf(index))).toEqual(keys);
      expect(grown.tokenCount).toBe(12);
    }
  });

  it("forks: the prompt's keys are the same and computed once, what follows is each one's own", () => {
    let hashCount = 0;
    const counted = (bytes: Uint8Array): string => {
      hashCount += 1;
      return sha256(bytes);
    };
    const options = { root: "root", tokens: tokens(6), blockTokens: 4, sha256: counted };
    const chain = new BlockChain(options);
    const fork = chain.fork();
    for (const token of [6, 7]) chain.append(token);
    for (const token of [6, 9]) fork.append(token);
    expect(fork.keyOf(0)).toBe(chain.keyOf(0));
    expect(fork.keyOf(1)).not.toBe(chain.keyOf(1));
    expect(hashCount).toBe(3);
  });
});

describe("PrefixIndex", () => {
  it("finds the same tenant's blocks and nobody else's, also after the page was used again", () => {
    const { pool, room, compute, matched } = setup(8);
    compute("a", tokens(12)).release(pool);
    expect(matched("a", tokens(13))).toBe(3);
    expect(matched("b", tokens(13))).toBe(0);
    room.flush();
    expect(matched("a", tokens(13))).toBe(0);
    compute("b", tokens(12)).release(pool);
    expect(matched("a", tokens(13))).toBe(0);
  });

  it("finds full blocks only, and leaves at least one token of the prompt", () => {
    const { pool, compute, matched } = setup(8);
    compute("a", tokens(10)).release(pool);
    expect(matched("a", tokens(10))).toBe(2);
    expect(matched("a", tokens(8))).toBe(1);
    expect(matched("a", tokens(9))).toBe(2);
    expect(matched("a", tokens(4))).toBe(0);
  });

  it("keeps the first of two identical prompts that were computed at once", () => {
    const { pool, index, compute } = setup(8);
    const [first, second] = [compute("a", tokens(8)), compute("a", tokens(8))];
    expect(index.blockCount).toBe(2);
    first.release(pool);
    second.release(pool);
    expect([pool.freeCount, pool.idleCachedCount]).toEqual([6, 2]);
    checkPoolIntegrity(pool, [index]);
  });

  it("evicts ends of chains first, never a block in use", () => {
    const { pool, room, index, compute, matched } = setup(4);
    compute("a", tokens(12)).release(pool);
    const held = new BlockTable(4);
    index.attach(index.match(index.chainOf("a", tokens(5)), 1), held);
    expect(room.makeRoom(2)).toBe(true);
    expect(matched("a", tokens(13))).toBe(2);
    expect(room.makeRoom(3)).toBe(true);
    expect(matched("a", tokens(13))).toBe(1);
    expect(room.makeRoom(4)).toBe(false);
    held.release(pool);
    expect(room.makeRoom(4)).toBe(true);
    expect(pool.freeCount).toBe(4);
  });

  it("puts an evicted page that a step in flight may read into quarantine, and evicts no more than needed", () => {
    const { pool, room, index, compute } = setup(4);
    const table = compute("a", tokens(16));
    pool.stepSubmitted(1);
    table.release(pool);
    expect(room.makeRoom(2)).toBe(false);
    expect(room.makeRoom(2)).toBe(false);
    expect([pool.freeCount, pool.quarantinedCount, pool.idleCachedCount]).toEqual([0, 2, 2]);
    pool.stepCompleted(1);
    expect(room.makeRoom(2)).toBe(true);
    expect(room.makeRoom(3)).toBe(true);
    checkPoolIntegrity(pool, [index]);
  });

  it("keeps a tenant's floor through another one's flood", () => {
    const { pool, room, compute, matched } = setup(40);
    compute("quiet", tokens(8)).release(pool);
    for (let flood = 0; flood < 50; flood++) {
      room.makeRoom(4);
      compute("loud", tokens(16, 1_000 * (flood + 1))).release(pool);
    }
    // 6 percent of 40 pages
    expect(matched("quiet", tokens(9))).toBe(2);
  });

  it("makes a tenant above its cap give up its own blocks, and keeps the new ones", () => {
    const { pool, index, compute, matched } = setup(16);
    compute("other", tokens(8)).release(pool);
    for (const first of [1_000, 2_000, 3_000]) {
      compute("a", tokens(16, first)).release(pool);
      expect(matched("a", tokens(17, first))).toBe(4);
    }
    compute("a", tokens(4, 9_000)).release(pool);
    // 75 percent of 16 pages
    expect(index.blockCount).toBe(2 + 12);
    expect(matched("a", tokens(5, 9_000))).toBe(1);
    expect(matched("other", tokens(9))).toBe(2);
  });
});
