import { rm } from "node:fs/promises";
import { AppError } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../model/testing/corrupt-copy.ts";
import { AdapterLibrary, type AdapterKeeper } from "./adapter-library.ts";
import { TINY_BASE, writePeft } from "./testing/peft-folder.ts";

/** A worker that takes everything and notes what it was told. */
class NotingKeeper implements AdapterKeeper {
  readonly told: string[] = [];
  refusal: AppError | null = null;

  add({ digest, modules }: Parameters<AdapterKeeper["add"]>[0]) {
    if (this.refusal !== null) return Promise.reject(this.refusal);
    this.told.push(`add ${digest.slice(0, 8)}`);
    return Promise.resolve({ packedBytes: modules.length * 1_000, state: "host" as const });
  }

  remove(digest: string): void {
    this.told.push(`remove ${digest.slice(0, 8)}`);
  }
}

function library(keeper: AdapterKeeper = new NotingKeeper()) {
  const nowMs = () => 1_700_000_000_500;
  return new AdapterLibrary({ base: TINY_BASE, reserved: ["tiny"], keeper, nowMs });
}

async function codeOf(refused: Promise<unknown>): Promise<string> {
  const error: unknown = await refused.catch((thrown: unknown) => thrown);
  return error instanceof AppError ? `${error.value.code} ${error.value.param}` : String(error);
}

describe("AdapterLibrary", () => {
  it("finds an adapter by its name once it was added, and not after it was removed", async () => {
    await using folder = await temporaryFolder();
    await writePeft(folder.path);
    const keeper = new NotingKeeper();
    const adapters = library(keeper);
    expect(adapters.find("poet")).toBeUndefined();
    const { digest } = await adapters.add({ name: "poet", folder: folder.path });
    await rm(folder.path, { recursive: true });
    expect(adapters.find("poet")).toEqual({ name: "poet", digest });
    expect([adapters.has(digest), adapters.state(digest)]).toEqual([true, "host"]);
    adapters.noteState(digest, "resident");
    expect(adapters.list).toEqual([
      { name: "poet", digest, state: "resident", packedBytes: 4_000, loadedSeconds: 1_700_000_000 },
    ]);
    expect([adapters.remove("poet"), adapters.remove("poet")]).toEqual([true, false]);
    expect([adapters.has(digest), adapters.state(digest)]).toEqual([false, undefined]);
    adapters.noteState(digest, "cold");
    const short = digest.slice(0, 8);
    expect(keeper.told).toEqual([`add ${short}`, `remove ${short}`]);
  });

  it("keeps the same content once under two names, until both are gone", async () => {
    await using folder = await temporaryFolder();
    await writePeft(folder.path);
    const keeper = new NotingKeeper();
    const adapters = library(keeper);
    const [one, same, other] = await Promise.all([
      adapters.add({ name: "one", folder: folder.path }),
      adapters.add({ name: "one", folder: folder.path }),
      adapters.add({ name: "other", folder: folder.path }),
    ]);
    expect([same.digest, other.digest]).toEqual([one.digest, one.digest]);
    expect([keeper.told.length, adapters.count]).toEqual([1, 1]);
    adapters.remove("one");
    expect([keeper.told.length, adapters.has(one.digest)]).toEqual([1, true]);
    adapters.remove("other");
    expect(keeper.told).toHaveLength(2);
  });

  it("forgets all names of an adapter that the worker lost, and takes it again", async () => {
    await using folder = await temporaryFolder();
    await writePeft(folder.path);
    const keeper = new NotingKeeper();
    const adapters = library(keeper);
    const { digest } = await adapters.add({ name: "one", folder: folder.path });
    await adapters.add({ name: "other", folder: folder.path });
    adapters.noteLost(digest);
    expect([adapters.find("one"), adapters.find("other"), adapters.has(digest)]).toEqual([
      undefined,
      undefined,
      false,
    ]);
    await adapters.add({ name: "one", folder: folder.path });
    expect(keeper.told).toHaveLength(2);
    expect(adapters.has(digest)).toBe(true);
  });

  it("refuses other content under a name in use, the base model's included", async () => {
    await using folder = await temporaryFolder();
    await writePeft(folder.path);
    const adapters = library();
    await adapters.add({ name: "poet", folder: folder.path });
    await writePeft(folder.path, { seed: 2 });
    expect(await codeOf(adapters.add({ name: "poet", folder: folder.path }))).toBe(
      "already_exists lora_name",
    );
    expect(await codeOf(adapters.add({ name: "tiny", folder: folder.path }))).toBe(
      "already_exists lora_name",
    );
    expect(adapters.count).toBe(1);
  });

  it("refuses content of another digest than the one asked for", async () => {
    await using folder = await temporaryFolder();
    await writePeft(folder.path);
    const wanted = { name: "poet", folder: folder.path, digest: "0".repeat(64) };
    expect(await codeOf(library().add(wanted))).toBe("invalid_value digest");
  });

  it.each(["", " a", "a b", "a\n", "a".repeat(257), "-a"])("refuses the name %j", async (name) => {
    expect(await codeOf(library().add({ name, folder: "/nowhere" }))).toBe(
      "invalid_value lora_name",
    );
  });

  it("refuses what cannot be read, by its field, and what the worker cannot take", async () => {
    await using folder = await temporaryFolder();
    await writePeft(folder.path, { config: { use_dora: true } });
    const keeper = new NotingKeeper();
    const adapters = library(keeper);
    expect(await codeOf(adapters.add({ name: "poet", folder: folder.path }))).toBe(
      "invalid_value use_dora",
    );
    await writePeft(folder.path);
    keeper.refusal = new AppError("invalid_value", "It has more pages than the pool.");
    expect(await codeOf(adapters.add({ name: "poet", folder: folder.path }))).toBe(
      "invalid_value null",
    );
    expect([adapters.count, adapters.find("poet")]).toEqual([0, undefined]);
  });
});
