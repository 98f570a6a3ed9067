import { rm, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { FromWorker } from "../engine/worker-messages.ts";
import { temporaryFolder } from "../model/testing/corrupt-copy.ts";
import { AdapterIntake } from "./adapter-intake.ts";
import { readAdapter, type ReadAdapter } from "./read-adapter.ts";
import { AdapterRig, type RigOptions } from "./testing/adapter-rig.ts";
import { ALL_LINEAR, TINY_BASE, writePeft, type PeftDraft } from "./testing/peft-folder.ts";

async function adapterOf(draft: PeftDraft): Promise<ReadAdapter> {
  await using folder = await temporaryFolder();
  await writePeft(folder.path, draft);
  return await readAdapter(folder.path, TINY_BASE);
}

/** An intake over a rig; `answer` is the next message that it posts. */
async function setUp(options: RigOptions = {}) {
  const rig = await AdapterRig.make(options);
  const packed: number[] = [];
  let heard = Promise.withResolvers<FromWorker>();
  const intake = new AdapterIntake({
    engine: {
      info: rig.engine.info,
      packAdapter: (spec) => {
        packed.push(spec.length);
        return rig.engine.packAdapter(spec);
      },
    },
    residency: rig.adapters,
    post: (message) => heard.resolve(message),
  });
  const answer = async (adapter: ReadAdapter): Promise<FromWorker> => {
    heard = Promise.withResolvers();
    intake.add(adapter);
    return await heard.promise;
  };
  const refusal = async (adapter: ReadAdapter): Promise<string> => {
    const message = await answer(adapter);
    return message.type === "adapter-refused"
      ? `${message.error.code}: ${message.error.message}`
      : message.type;
  };
  return { rig, intake, packed, answer, refusal };
}

describe("AdapterIntake", () => {
  it("packs an adapter once, and says how large it is and where", async () => {
    // Four modules of rank 8 are one page of the check engine.
    const adapter = await adapterOf({ rank: 8 });
    const { rig, answer, packed, intake } = await setUp();
    await using _ = rig;
    const { digest } = adapter;
    const { pageBytes } = rig.engine.info;
    const added = { type: "adapter-added", digest, packedBytes: pageBytes + 8, state: "host" };
    expect(await answer(adapter)).toEqual(added);
    expect(rig.adapters.has(digest)).toBe(true);
    // Its file is there, so it is packed no second time.
    expect(await answer(adapter)).toEqual(added);
    expect(packed).toEqual([4]);
    intake.remove(digest);
    expect(await answer(adapter)).toEqual(added);
    expect(packed).toEqual([4, 4]);
  });

  it("refuses an adapter that takes more than its share of the pool", async () => {
    const adapter = await adapterOf({ rank: 64, targets: ALL_LINEAR });
    const { rig, answer } = await setUp({ pageCount: 32 });
    await using _ = rig;
    expect(await answer(adapter)).toMatchObject({
      type: "adapter-refused",
      error: { code: "invalid_value", param: "lora_path" },
    });
    expect([rig.adapters.count, rig.store.memoryBytes]).toEqual([0, 0]);
  });

  it("refuses more adapters than the engine has slots for", async () => {
    const { rig, answer } = await setUp({ adapterSlots: 2 });
    await using _ = rig;
    for (const [seed, type] of [
      [1, "adapter-added"],
      [2, "adapter-added"],
      [3, "adapter-refused"],
    ] as const) {
      expect((await answer(await adapterOf({ seed }))).type).toBe(type);
    }
  });

  it("says why the engine cannot pack one, and why the disk cannot keep one", async () => {
    const adapter = await adapterOf({});
    const { rig, refusal } = await setUp({ hostBytesMax: 0 });
    await using _ = rig;
    const empty = { ...adapter, digest: "1".repeat(64), modules: [] };
    expect(await refusal(empty)).toContain(
      "invalid_value: The adapter was refused: the adapter changes",
    );
    await rm(rig.store.folder, { recursive: true });
    await writeFile(rig.store.folder, "");
    expect(await refusal(adapter)).toBe(
      "storage_unavailable: The adapter cannot be kept on this node's disk (EEXIST).",
    );
  });
});
