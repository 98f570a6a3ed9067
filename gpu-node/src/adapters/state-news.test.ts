import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { FromWorker } from "../engine/worker-messages.ts";
import { StateNews } from "./state-news.ts";

describe("StateNews", () => {
  it("tells the last move of each adapter, all in one message", async () => {
    const posted: FromWorker[] = [];
    const news = new StateNews((message) => posted.push(message));
    news.add("a", "loading");
    news.add("b", "evicting");
    news.add("a", "resident");
    expect(posted).toEqual([]);
    await setImmediate();
    const states = [
      ["a", "resident"],
      ["b", "evicting"],
    ];
    expect(posted).toEqual([{ type: "adapter-state", states }]);
    news.add("b", "host");
    await setImmediate();
    expect(posted[1]).toEqual({ type: "adapter-state", states: [["b", "host"]] });
    expect(posted).toHaveLength(2);
  });
});
