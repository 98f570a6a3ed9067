import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fetchModel } from "./fetch-model.ts";
import { ownerTag } from "./process-owner.ts";
import type { Progress } from "./progress.ts";
import { temporaryFolder } from "./testing/corrupt-copy.ts";
import { HubServer } from "./testing/hub-server.ts";

const REVISION = "0123456789abcdef0123456789abcdef01234567";
const GGUF = Buffer.alloc(300_000, "model content ");
const REPO = "some-org/Some-Model";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let hub: HubServer;
let seen: Progress[];

beforeEach(async () => {
  folder = await temporaryFolder();
  seen = [];
  hub = await HubServer.start({
    repo: REPO,
    revision: REVISION,
    files: { "README.md": Buffer.from("# hello"), "model.Q4_1.gguf": GGUF },
    large: ["model.Q4_1.gguf"],
  });
  hub.takenBytes = () => seen.at(-1)?.doneBytes ?? 0;
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const fetchIt = (model = REPO, more: { signal?: AbortSignal; silenceMs?: number } = {}) =>
  fetchModel(model, {
    cacheFolder: folder.path,
    env: { FAIRLANE_HUB_URL: hub.url },
    onProgress: (progress) => seen.push(progress),
    retryMs: 1,
    ...more,
  });
const target = () =>
  join(folder.path, "models/hub/some-org--Some-Model", REVISION, "model.Q4_1.gguf");
const partials = async () => {
  const names = await readdir(join(target(), ".."));
  return names.filter((name) => name.endsWith(".partial"));
};

describe("fetching from a hub", () => {
  it("brings the only GGUF file, with progress, and does not ask again", async () => {
    const path = await fetchIt();
    expect(path).toBe(target());
    expect(await readFile(path)).toEqual(GGUF);
    expect(seen[0]).toEqual({
      label: "Downloading some-org/Some-Model",
      doneBytes: 0,
      totalBytes: 300_000,
    });
    expect(seen.at(-1)?.doneBytes).toBe(300_000);
    const done = seen.map((progress) => progress.doneBytes);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    await hub[Symbol.asyncDispose]();
    expect(await fetchIt()).toBe(path);
    expect(hub.requests).toEqual(["model.Q4_1.gguf all"]);
  });

  it("brings a file by its name, and says what there is instead of an unknown one", async () => {
    expect(await readFile(await fetchIt(`${REPO}:README.md`), "utf8")).toBe("# hello");
    await expect(fetchIt(`${REPO}:absent.gguf`)).rejects.toThrow(
      "some-org/Some-Model holds no absent.gguf; it holds README.md, model.Q4_1.gguf",
    );
  });

  it("goes on where the connection was cut", async () => {
    hub.faults.push({ kind: "cut", afterBytes: 100_000 }, { kind: "cut", afterBytes: 50_000 });
    expect(await readFile(await fetchIt())).toEqual(GGUF);
    expect(hub.requests).toEqual([
      "model.Q4_1.gguf all",
      "model.Q4_1.gguf bytes=100000-",
      "model.Q4_1.gguf bytes=150000-",
    ]);
    expect(await partials()).toEqual([]);
  });

  it("goes on where an earlier run gave up", async () => {
    hub.faults.push({ kind: "cut", afterBytes: 120_000 });
    for (let i = 0; i < 5; i++) hub.faults.push({ kind: "status", status: 503 });
    await expect(fetchIt()).rejects.toThrow(
      /model\.Q4_1\.gguf: .*answers 503; 120000 of 300000 bytes/,
    );
    expect(await partials()).toHaveLength(1);
    hub.requests.length = 0;
    hub.faults.length = 0;
    expect(await readFile(await fetchIt())).toEqual(GGUF);
    expect(hub.requests).toEqual(["model.Q4_1.gguf bytes=120000-"]);
    expect(await partials()).toEqual([]);
  });

  it("starts over when the server ignores the range", async () => {
    hub.faults.push({ kind: "cut", afterBytes: 100_000 }, { kind: "ignoreRange" });
    expect(await readFile(await fetchIt())).toEqual(GGUF);
  });

  it("refuses a file with another checksum and keeps nothing of it", async () => {
    hub.faults.push({ kind: "spoil" });
    await expect(fetchIt()).rejects.toThrow(
      /checksum [0-9a-f]{64} is not [0-9a-f]{64}, which the hub states/,
    );
    expect(await readdir(join(target(), ".."))).toEqual([]);
    expect(await readFile(await fetchIt())).toEqual(GGUF);
  });

  it("fetches a spoilt partial file anew", async () => {
    hub.faults.push({ kind: "cut", afterBytes: 120_000 });
    for (let i = 0; i < 5; i++) hub.faults.push({ kind: "status", status: 500 });
    await expect(fetchIt()).rejects.toThrow();
    const [name = ""] = await partials();
    await writeFile(join(target(), "..", name), Buffer.alloc(120_000, 7));
    hub.faults.length = 0;
    expect(await readFile(await fetchIt())).toEqual(GGUF);
  });

  it("checks git's checksum of small files", async () => {
    hub.faults.push({ kind: "spoil" });
    await expect(fetchIt(`${REPO}:README.md`)).rejects.toThrow(/checksum [0-9a-f]{40} is not/);
  });

  it("gives up on a silent server", async () => {
    for (let i = 0; i < 6; i++) hub.faults.push({ kind: "silence", afterBytes: 0 });
    await expect(fetchIt(REPO, { silenceMs: 60 })).rejects.toThrow("the hub was silent for 0.06 s");
  });

  it("stops when told to, keeping what came", async () => {
    const stop = new AbortController();
    hub.faults.push({ kind: "silence", afterBytes: 80_000 });
    const fetching = fetchIt(REPO, { signal: stop.signal });
    await expect.poll(() => seen.at(-1)?.doneBytes).toBe(80_000);
    stop.abort(new Error("enough"));
    await expect(fetching).rejects.toThrow("enough");
    hub.requests.length = 0;
    expect(await readFile(await fetchIt())).toEqual(GGUF);
    expect(hub.requests).toEqual(["model.Q4_1.gguf bytes=80000-"]);
  });

  it("says that there is no such model, and that the hub cannot be reached", async () => {
    await expect(fetchIt("no/such")).rejects.toThrow(
      `no/such could not be looked up at ${hub.url}: the hub has no such model (404)`,
    );
    await hub[Symbol.asyncDispose]();
    await expect(fetchIt()).rejects.toThrow(/could not be looked up at .*ECONNREFUSED/);
  });

  it("says at once when a file may not be read", async () => {
    hub.faults.push({ kind: "status", status: 403 });
    await expect(fetchIt()).rejects.toThrow("model.Q4_1.gguf: the hub answers 403");
    expect(hub.requests).toHaveLength(1);
  });

  it("notices that a fetched file was damaged", async () => {
    const path = await fetchIt();
    await writeFile(path, GGUF.subarray(1));
    expect(await readFile(await fetchIt())).toEqual(GGUF);
    await writeFile(path, Buffer.alloc(GGUF.length, 3));
    expect(await readFile(await fetchIt())).toEqual(GGUF);
  });

  it("lets several fetch at once: each gets the whole file", async () => {
    hub.faults.push({ kind: "cut", afterBytes: 10 }, { kind: "cut", afterBytes: 70_000 });
    const paths = await Promise.all([fetchIt(), fetchIt(), fetchIt()]);
    expect(new Set(paths)).toEqual(new Set([target()]));
    expect(await readFile(target())).toEqual(GGUF);
    expect(await partials()).toEqual([]);
  });

  it("takes over the partial file of a process that is gone, not that of one that lives", async () => {
    hub.faults.push({ kind: "cut", afterBytes: 120_000 });
    for (let i = 0; i < 5; i++) hub.faults.push({ kind: "status", status: 500 });
    await expect(fetchIt()).rejects.toThrow();
    const [name = ""] = await partials();
    const at = join(target(), "..");
    const bytes = await readFile(join(at, name));
    const [machine] = ownerTag().split("-");
    // Process 1 always lives; 2^22 + 1 is above every Linux process id.
    await writeFile(join(at, name.replace("free", `${machine}-1`)), "other");
    await writeFile(
      join(at, name.replace("free", `${machine}-4194305`)),
      bytes.subarray(0, 90_000),
    );
    await rm(join(at, name));
    hub.faults.length = 0;
    hub.requests.length = 0;
    await fetchIt();
    expect(hub.requests).toEqual(["model.Q4_1.gguf bytes=90000-"]);
    expect(await partials()).toEqual([name.replace("free", `${machine}-1`)]);
  });
});

describe("choosing files of a hub model", () => {
  const start = async (names: readonly string[]) => {
    const files = Object.fromEntries(names.map((name) => [name, Buffer.from(`{"${name}":1}`)]));
    const large = names.filter((name) => name.endsWith(".safetensors"));
    return await HubServer.start({ repo: "o/m", revision: REVISION, files, large });
  };
  const fetchFrom = (server: HubServer) =>
    fetchModel("o/m", { cacheFolder: folder.path, env: { FAIRLANE_HUB_URL: `${server.url}/` } });

  it("takes a safetensors model with what belongs to it", async () => {
    await using server = await start([
      "README.md",
      "config.json",
      "generation_config.json",
      "tokenizer.json",
      "tokenizer_config.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
      "original/consolidated.00.pth",
      "pytorch_model.bin",
    ]);
    const path = await fetchFrom(server);
    expect((await readdir(path)).toSorted()).toEqual([
      "config.json",
      "generation_config.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
  });

  it("asks which one is meant when there are several GGUF files", async () => {
    await using server = await start(["a.Q4_1.gguf", "a.Q8_0.gguf"]);
    await expect(fetchFrom(server)).rejects.toThrow(
      "o/m holds several models; name one as o/m:FILE of a.Q4_1.gguf, a.Q8_0.gguf",
    );
  });

  it("says what a repository lacks", async () => {
    await using server = await start(["README.md", "pytorch_model.bin"]);
    await expect(fetchFrom(server)).rejects.toThrow(
      "o/m holds no GGUF file and no config.json, tokenizer.json and safetensors",
    );
  });

  it("never takes a hub's path out of the cache folder", async () => {
    await using server = await start(["../../evil.gguf", ".hidden.gguf", "good.gguf"]);
    expect(await fetchFrom(server)).toMatch(/good\.gguf$/);
  });

  it("uses a path that exists before asking any hub", async () => {
    await mkdir(join(folder.path, "o/m"), { recursive: true });
    const path = join(folder.path, "o/m");
    expect(await fetchModel(path, { cacheFolder: folder.path, env: {} })).toBe(path);
    const unknown = fetchModel("./absent", { cacheFolder: folder.path, env: {} });
    await expect(unknown).rejects.toThrow("--model ./absent: there is no such file or folder");
  });
});
