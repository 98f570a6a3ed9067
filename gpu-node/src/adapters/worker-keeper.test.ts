import { describe, expect, it } from "vitest";
import type { AdapterMessage } from "../engine/engine-host.ts";
import { digestOf } from "./testing/adapter-rig.ts";
import { WorkerKeeper } from "./worker-keeper.ts";

const ADAPTER = { digest: digestOf(1), weightsPath: "", weightsBytes: 0, modules: [] };

function setUp() {
  const told: AdapterMessage["type"][] = [];
  const keeper = new WorkerKeeper({ tellAdapter: (message) => told.push(message.type) });
  return { keeper, told };
}

describe("WorkerKeeper", () => {
  it("answers an addition with what the worker says of it", async () => {
    const { keeper, told } = setUp();
    const added = keeper.add(ADAPTER);
    const digest = digestOf(1);
    keeper.heard({ type: "adapter-added", digest, packedBytes: 10, state: "cold" }, null);
    expect(await added).toEqual({ packedBytes: 10, state: "cold" });
    const refused = keeper.add(ADAPTER);
    const error = { code: "invalid_value", message: "It is too large.", param: null } as const;
    keeper.heard({ type: "adapter-refused", digest, error }, null);
    await expect(refused).rejects.toThrow("It is too large.");
    keeper.remove(digest);
    expect(told).toEqual(["add-adapter", "add-adapter", "remove-adapter"]);
  });

  it("tells the library where adapters are, and which are lost", () => {
    const { keeper } = setUp();
    const noted: string[] = [];
    const library = {
      noteState: (_: string, state: string) => noted.push(state),
      noteLost: () => noted.push("lost"),
    };
    const digest = digestOf(1);
    keeper.heard({ type: "adapter-state", states: [[digest, "resident"]] }, library);
    keeper.heard({ type: "adapter-lost", digest }, library);
    expect(noted).toEqual(["resident", "lost"]);
  });

  it("answers when the worker goes without a word, and from then on at once", async () => {
    const { keeper } = setUp();
    const added = keeper.add(ADAPTER);
    keeper.heard({ type: "failed", message: "the engine broke" }, null);
    await expect(added).rejects.toThrow("not running");
    await expect(keeper.add(ADAPTER)).rejects.toThrow("not running");
  });
});
