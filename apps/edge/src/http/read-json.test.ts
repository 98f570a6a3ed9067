import { describe, expect, it } from "vitest";
import { readJson } from "./read-json.ts";

const post = (body: BodyInit | null, headers: HeadersInit = {}) =>
  new Request("https://edge.test/", { method: "POST", body, headers });

const bytes = (...values: number[]) => new Uint8Array(values);

/** A body that arrives in chunks, without a content-length. */
function chunked(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

describe("readJson", () => {
  it("reads JSON whatever the content type says", async () => {
    for (const type of ["application/json", "application/x-www-form-urlencoded", "text/plain"]) {
      const result = await readJson(post('{"a":[1,"é"]}', { "content-type": type }), 100);
      expect(result).toEqual({ ok: true, value: { a: [1, "é"] } });
    }
  });

  it("puts a character together that two chunks share", async () => {
    const body = chunked([bytes(0x22, 0xc3), bytes(0xa9, 0x22)]);
    expect(await readJson(post(body), 100)).toEqual({ ok: true, value: "é" });
  });

  it.each([
    [bytes(0x22, 0xff, 0x22), "The request body is not valid UTF-8."],
    [bytes(0x22, 0xc3, 0x22), "The request body is not valid UTF-8."],
    [bytes(0x22, 0xed, 0xa0, 0x80, 0x22), "The request body is not valid UTF-8."],
    [bytes(0x22, 0xc0, 0xaf, 0x22), "The request body is not valid UTF-8."],
    [bytes(), "The request body is empty. Expected a JSON object."],
    [bytes(0x20, 0x0a), "The request body is empty. Expected a JSON object."],
    [bytes(0x7b), "The request body could not be parsed as JSON."],
    [bytes(0x00), "The request body could not be parsed as JSON."],
  ])("refuses the bytes %j", async (body, message) => {
    expect(await readJson(post(body), 100)).toEqual({
      ok: false,
      error: { code: "invalid_json", message, param: null },
    });
  });

  it("takes a request without a body for an empty one", async () => {
    expect(await readJson(post(null), 100)).toMatchObject({ error: { code: "invalid_json" } });
  });

  it("does not quote the body", async () => {
    const result = await readJson(post('{"messages": "my secret'), 100);
    expect(JSON.stringify(result)).not.toContain("secret");
  });

  it("takes a body of the bound and refuses one byte more", async () => {
    const tooLarge = {
      ok: false,
      error: {
        code: "request_too_large",
        message: "The request body is larger than 10 bytes.",
        param: null,
      },
    };
    expect(await readJson(post('"12345678"'), 10)).toEqual({ ok: true, value: "12345678" });
    expect(await readJson(post('"123456789"'), 10)).toEqual(tooLarge);
    const parts = Array.from({ length: 4 }, () => new Uint8Array(5));
    expect(await readJson(post(chunked(parts)), 10)).toEqual(tooLarge);
  });

  it("reads no further than the bound", async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(1_024));
      },
    });
    expect(await readJson(post(endless), 4_096)).toMatchObject({
      error: { code: "request_too_large" },
    });
    expect(pulled).toBeLessThan(10);
  });

  it("tells a body that broke off from a bug", async () => {
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("connection lost")),
    });
    expect(await readJson(post(broken), 100)).toMatchObject({
      error: { code: "client_closed_request" },
    });
  });
});
