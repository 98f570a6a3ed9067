// Adapters pulled over real HTTP from a hub that misbehaves as told, into a library that keeps what it was handed.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError, type SubmitAdapter } from "@fairlane/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PulledAdapters, type PulledAdaptersOptions } from "./pulled-adapters.ts";

const TOKEN = "fln1_node-a_secret_mac";
const WEIGHTS = Buffer.from("0123456789abcdef");
/** Ample on a busy machine. */
const WAIT = { timeout: 10_000, interval: 5 };
const CONFIG = JSON.stringify({ r: 2 });

interface Asked {
  readonly path: string;
  readonly range: string | undefined;
}

/** How the weights are answered; undefined: as they are. */
type Weights = ((response: ServerResponse, asked: Asked) => boolean) | undefined;

let folder: string;
let asked: Asked[];
let weights: Weights;
let tokens: Set<string | undefined>;
let stopServer: () => Promise<unknown>;
let hubUrl: string;
let added: string[];
let removed: string[];
let refusal: AppError | undefined;
let pulled: PulledAdapters;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fairlane-pull-"));
  asked = [];
  tokens = new Set();
  [weights, refusal] = [undefined, undefined];
  [added, removed] = [[], []];
  const server = createServer((request, response) => {
    const range = request.headers.range;
    const one = { path: request.url ?? "", range };
    asked.push(one);
    tokens.add(request.headers.authorization);
    if (one.path.includes("adapter_config.json")) return response.end(CONFIG);
    if (weights?.(response, one) === true) return undefined;
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    response.writeHead(range === undefined ? 200 : 206);
    return response.end(WEIGHTS.subarray(from));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  hubUrl = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  stopServer = () => {
    server.closeAllConnections();
    return once(server.close(), "close");
  };
  pulled = make();
});

afterEach(async () => {
  await pulled.close();
  await stopServer();
  rmSync(folder, { recursive: true, force: true });
});

function make(change: Partial<PulledAdaptersOptions> = {}): PulledAdapters {
  const names = new Set<string>();
  return new PulledAdapters({
    library: {
      get count() {
        return names.size;
      },
      has: (digest) => names.has(digest),
      add: async (adapter) => {
        if (refusal) throw refusal;
        const content = readFileSync(join(adapter.folder, "adapter_model.safetensors"), "utf8");
        expect(readFileSync(join(adapter.folder, "adapter_config.json"), "utf8")).toBe(CONFIG);
        added.push(`${adapter.name.slice(0, 2)} ${content}`);
        names.add(adapter.name);
      },
      remove: (name) => {
        removed.push(name.slice(0, 2));
        return names.delete(name);
      },
    },
    countMax: 8,
    folder,
    hub: { hubUrl, token: TOKEN, retryMs: 1 },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    ...change,
  });
}

function adapter(letter = "a"): SubmitAdapter {
  return {
    name: "ten_a/x@1",
    digest: letter.repeat(64),
    bytes: WEIGHTS.length,
    source: "ten_a/adv_1",
  };
}

const pulls = () => asked.filter(({ path }) => path.includes("safetensors")).length;

describe("PulledAdapters", () => {
  it("pulls what the library lacks with the node's token, once, and leaves nothing behind", async () => {
    const both = [pulled.ready(adapter()), pulled.ready(adapter())];
    expect(await Promise.all(both)).toEqual([null, null]);
    expect(await pulled.ready(adapter())).toBeNull();
    expect(added).toEqual(["aa 0123456789abcdef"]);
    const path = `/wire/v1/adapters/${"a".repeat(64)}`;
    expect(asked.map((one) => one.path)).toEqual([
      `${path}/adapter_config.json?source=ten_a%2Fadv_1`,
      `${path}/adapter_model.safetensors?source=ten_a%2Fadv_1`,
    ]);
    expect([...tokens]).toEqual([`Bearer ${TOKEN}`]);
    expect(existsSync(join(folder, "a".repeat(64)))).toBe(false);
  });

  it("goes on from where the connection broke", async () => {
    let cut: (() => void) | undefined;
    weights = (response, { range }) => {
      if (range !== undefined) return false;
      response.writeHead(200, { "content-length": String(WEIGHTS.length) });
      response.write(WEIGHTS.subarray(0, 6));
      cut = () => response.destroy();
      return true;
    };
    const pull = pulled.ready(adapter());
    await expect.poll(() => JSON.stringify(partialBytes()), WAIT).toBe("[6]");
    cut?.();
    expect(await pull).toBeNull();
    expect(added).toEqual(["aa 0123456789abcdef"]);
    expect(asked.at(-1)?.range).toBe("bytes=6-");
  });

  it("goes on from where an earlier process stopped", async () => {
    weights = (response, { range }) => {
      if (range !== undefined) return false;
      response.writeHead(200, { "content-length": String(WEIGHTS.length) });
      response.write(WEIGHTS.subarray(0, 6));
      return true;
    };
    const early = pulled.ready(adapter());
    await expect.poll(() => pulls(), WAIT).toBe(1);
    await expect.poll(() => JSON.stringify(partialBytes()), WAIT).toBe("[6]");
    await pulled.close();
    expect(await early).toMatchObject({ code: "adapter_not_ready" });
    pulled = make();
    expect(await pulled.ready(adapter())).toBeNull();
    expect(asked.at(-1)?.range).toBe("bytes=6-");
  });

  it("lets a request wait for a bounded time, while others go past it and the pull goes on", async () => {
    let release: (() => void) | undefined;
    weights = (response, { path }) => {
      if (!path.includes("aaaa")) return false;
      release = () => response.end(WEIGHTS);
      return true;
    };
    pulled = make({ waitMs: 1_000 });
    const slow = pulled.ready(adapter("a"));
    expect(await pulled.ready(adapter("b"))).toBeNull();
    expect(await slow).toEqual({
      code: "adapter_not_ready",
      message: "The adapter did not arrive within 1 s; it is still on its way. Please try again.",
      param: "model",
    });
    release?.();
    await expect.poll(() => added, WAIT).toContain("aa 0123456789abcdef");
    expect(await pulled.ready(adapter("a"))).toBeNull();
    expect(pulls()).toBe(2);
  });

  it("runs four pulls at once, the others in turn", async () => {
    const waiting: (() => void)[] = [];
    weights = (response) => {
      waiting.push(() => response.end(WEIGHTS));
      return true;
    };
    const all = ["a", "b", "c", "d", "e", "f"].map((letter) => pulled.ready(adapter(letter)));
    await expect.poll(() => waiting.length, WAIT).toBe(4);
    waiting.shift()?.();
    await expect.poll(() => pulls(), WAIT).toBe(5);
    weights = undefined;
    for (const finish of waiting) finish();
    expect(await Promise.all(all)).toEqual([null, null, null, null, null, null]);
  });

  it("tells what is gone and what is broken, and does not pull it again at once", async () => {
    weights = (response, { path }) => {
      if (!path.includes("aaaa")) return false;
      response.writeHead(404).end();
      return true;
    };
    refusal = new AppError("invalid_value", "The adapter was refused: r: is 0.", { param: "r" });
    for (let round = 0; round < 2; round++) {
      expect(await pulled.ready(adapter("a"))).toMatchObject({ code: "model_not_found" });
      expect(await pulled.ready(adapter("b"))).toEqual({
        code: "invalid_adapter",
        message: "The adapter was refused: r: is 0.",
        param: "model",
      });
    }
    expect(pulls()).toBe(2);
    expect(existsSync(join(folder, "b".repeat(64)))).toBe(false);
  });

  it("makes room for a new one by forgetting the one unused for longest", async () => {
    pulled = make({ countMax: 2 });
    await pulled.ready(adapter("a"));
    await pulled.ready(adapter("b"));
    await pulled.ready(adapter("a"));
    await pulled.ready(adapter("c"));
    expect(removed).toEqual(["bb"]);
  });
});

/** Sizes of unfinished files. */
function partialBytes(): number[] {
  const at = join(folder, "a".repeat(64));
  if (!existsSync(at)) return [];
  return readdirSync(at)
    .filter((name) => name.endsWith(".partial"))
    .map((name) => statSync(join(at, name)).size);
}
