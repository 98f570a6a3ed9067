// Shows the bound on all bodies together; what a single body is refused for is in routes.test.ts.
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { JsonBodyReader } from "./read-json-body.ts";

/** A body that the test feeds. */
function body(): PassThrough & IncomingMessage {
  return Object.assign(new PassThrough(), { headers: {} }) as unknown as PassThrough &
    IncomingMessage;
}

describe("JsonBodyReader", () => {
  it("refuses what would pass the bound on all bodies together, and takes it once others are read", async () => {
    const reader = new JsonBodyReader(10);
    const slow = body();
    const reading = reader.read(slow);
    slow.write("[1,2,3,");
    await new Promise((resolve) => setImmediate(resolve));
    const second = body();
    second.end("[4,5]");
    await expect(reader.read(second)).rejects.toMatchObject({ value: { code: "overloaded" } });
    slow.end("4]");
    expect(await reading).toEqual([1, 2, 3, 4]);
    const third = body();
    third.end("[4,5,6,7]");
    expect(await reader.read(third)).toEqual([4, 5, 6, 7]);
  });

  it("gives back what a client had sent who goes away", async () => {
    const reader = new JsonBodyReader(10);
    const leaving = body();
    const reading = reader.read(leaving);
    leaving.write("[1,2,3,4");
    await new Promise((resolve) => setImmediate(resolve));
    leaving.destroy(new Error("gone"));
    await expect(reading).rejects.toThrow("gone");
    const next = body();
    next.end("[1,2,3,4]");
    expect(await reader.read(next)).toEqual([1, 2, 3, 4]);
  });
});
