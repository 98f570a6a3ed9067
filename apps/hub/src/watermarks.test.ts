import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../test/hub-request.ts";
import { accountOf } from "../test/usage.ts";
import { EPOCH_CLOSED, Watermarks } from "./watermarks.ts";

/** Runs with the tables of a fresh object, keeping three epochs. */
function withWatermarks(use: (watermarks: Watermarks, sql: SqlStorage) => void): Promise<void> {
  return runInDurableObject(accountOf(uniqueId("ten")), (_, { storage }) => {
    use(new Watermarks(storage.sql, 3), storage.sql);
  });
}

const source = (epoch: number, nodeId = "node-a") => ({ tenantId: "ten_a", nodeId, epoch });

describe("Watermarks", () => {
  it("start at 0 and rise by source", () =>
    withWatermarks((watermarks) => {
      expect(watermarks.read(source(1))).toBe(0);
      watermarks.raise(source(1), 3);
      watermarks.raise(source(1), 5);
      expect(watermarks.read(source(1))).toBe(5);
      expect(watermarks.read(source(2))).toBe(0);
      expect(watermarks.read(source(1, "node-b"))).toBe(0);
    }));

  it("never fall", () =>
    withWatermarks((watermarks) => {
      watermarks.raise(source(1), 3);
      expect(() => watermarks.raise(source(1), 3)).toThrow("watermark of node-a/1 falls: 3 to 3");
    }));

  it("close the oldest epoch of a node beyond those that are kept", () =>
    withWatermarks((watermarks, sql) => {
      for (const epoch of [10, 20, 30, 40, 50]) watermarks.raise(source(epoch), 1);
      watermarks.raise(source(1, "node-b"), 7);
      const read = [5, 10, 20, 25, 30, 40, 50].map((epoch) => watermarks.read(source(epoch)));
      expect(read).toEqual([EPOCH_CLOSED, EPOCH_CLOSED, EPOCH_CLOSED, 0, 1, 1, 1]);
      expect(watermarks.read(source(1, "node-b"))).toBe(7);
      const { rows } = sql.exec<{ rows: number }>("SELECT count(*) AS rows FROM watermarks").one();
      expect(rows).toBe(4);
    }));
});
