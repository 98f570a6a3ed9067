// Shows streams on the wire: their events, keep-alives, errors, lost and slow clients.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { LETTER_MODEL } from "../stream/testing/letter-model.ts";
import { ScriptedNode, until, type ScriptedNodeOptions } from "./testing/scripted-node.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

async function started(options: ScriptedNodeOptions = {}): Promise<ScriptedNode> {
  return stack.use(await new ScriptedNode(options).start());
}

/** Events of a finished stream: id and what the data says. */
function eventsOf(text: string): string[] {
  return text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => {
      const data = /^data: (.*)$/m.exec(event)?.[1] ?? event;
      const id = /^id: (\d+)$/m.exec(event)?.[1] ?? "-";
      if (!data.startsWith("{")) return `${id} ${data}`;
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) return `${id} error ${chunk.error.code}`;
      const [choice] = chunk.choices;
      if (!choice) return `${id} usage ${chunk.usage?.completion_tokens}`;
      if (choice.finish_reason) return `${id} finish ${choice.finish_reason}`;
      return `${id} ${JSON.stringify(choice.delta)}`;
    });
}

interface Chunk {
  readonly error?: { readonly code: string };
  readonly choices: readonly { readonly delta: object; readonly finish_reason: string | null }[];
  readonly usage?: { readonly completion_tokens: number } | null;
}

function rawPost(node: ScriptedNode, fields: object): Socket {
  const messages = [{ role: "user", content: "hello" }];
  const body = JSON.stringify({ messages, ...fields });
  const { port, hostname } = new URL(node.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

describe("a stream of the node's own API", () => {
  it("begins with the role, goes on with one event per token, ends with finish, usage and [DONE]", async () => {
    const node = await started({ runs: true });
    const stream_options = { include_usage: true };
    const response = await node.chat({ stream: true, stream_options, max_tokens: 2 });
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
    expect(eventsOf(await response.text())).toEqual([
      '- {"role":"assistant","content":""}',
      '0 {"content":"a"}',
      '1 {"content":"b"}',
      "- finish length",
      "- usage 2",
      "- [DONE]",
    ]);
  });

  it("sends no usage unless asked", async () => {
    const node = await started({ runs: true });
    const text = await (await node.chat({ stream: true, max_tokens: 1 })).text();
    expect(text).not.toContain("usage");
    expect(eventsOf(text).at(-1)).toBe("- [DONE]");
  });

  it("gives a stop token no text and still begins and finishes", async () => {
    const node = await started();
    const answer = node.chat({ stream: true });
    await node.submitted();
    node.engine.stop(node.engine.submitted[0]?.requestId ?? "");
    expect(eventsOf(await (await answer).text())).toEqual([
      '- {"role":"assistant","content":""}',
      "- finish stop",
      "- [DONE]",
    ]);
  });

  it("serves several requests in the same steps", async () => {
    const node = await started();
    const answers = [1, 2, 3].map((max_tokens) => node.chat({ stream: true, max_tokens }));
    await node.submitted(3);
    node.engine.step();
    node.engine.step();
    node.engine.step();
    const texts = await Promise.all(answers.map(async (answer) => (await answer).text()));
    expect(texts.map((text) => eventsOf(text).length)).toEqual([4, 5, 6]);
  });

  it("keeps the status open until the first token, so that a refusal is an HTTP error", async () => {
    const node = await started();
    const answer = node.chat({ stream: true });
    await node.submitted();
    const id = node.engine.submitted[0]?.requestId ?? "";
    node.streams.refused(id, { code: "overloaded", message: "full", param: null });
    expect((await answer).status).toBe(503);
  });

  it("writes keep-alive comments in long silences", async () => {
    const node = await started({ keepAliveMs: 20 });
    const response = await node.chat({ stream: true, max_tokens: 1 });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    expect(new TextDecoder().decode(first.value)).toMatch(/^(: hb\n\n)+$/);
    node.engine.step();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      rest += new TextDecoder().decode(part.value);
    }
    expect(eventsOf(rest).filter((event) => !event.includes(": hb"))[0]).toBe(
      '- {"role":"assistant","content":""}',
    );
  });

  it("ends with an error event and usage when the node gives a begun stream up", async () => {
    const node = await started();
    const stream_options = { include_usage: true };
    const answer = node.chat({ stream: true, stream_options, max_tokens: 9 });
    await node.submitted();
    node.engine.step();
    node.streams.cancelAll({ code: "draining", message: "going down", param: null });
    const text = await (await answer).text();
    expect(text).toContain("event: error\n");
    expect(eventsOf(text).slice(-2)).toEqual(["- error draining", "- usage 1"]);
  });

  it("answers a non-streaming request that the node gives up with a status", async () => {
    const node = await started();
    const answer = node.chat({});
    await node.submitted();
    node.engine.step();
    node.streams.cancelAll({ code: "draining", message: "going down", param: null });
    expect((await answer).status).toBe(503);
  });

  it.each([true, false])(
    "cancels at the engine when the client leaves (stream %s)",
    async (stream) => {
      const node = await started();
      const client = rawPost(node, { stream, max_tokens: 50 });
      await node.submitted();
      node.engine.step();
      client.destroy();
      await until(() => node.engine.cancelled.length === 1, "a cancel");
      expect(node.streams.count).toBe(0);
      expect(node.logged).toEqual([]);
    },
  );

  it("does not start a request whose client left while its prompt was tokenised", async () => {
    const tokenised = Promise.withResolvers<Int32Array>();
    let asked = 0;
    const encodeChat = () => {
      asked += 1;
      return tokenised.promise;
    };
    const node = await started({ model: { ...LETTER_MODEL, encodeChat } });
    const client = rawPost(node, {});
    await until(() => asked === 1, "the prompt");
    client.destroy();
    await once(client, "close");
    // The server hears of the close in a later turn than the client.
    await new Promise((resolve) => setTimeout(resolve, 50));
    tokenised.resolve(Int32Array.of(1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(node.engine.submitted).toEqual([]);
    expect(node.streams.count).toBe(0);
  });

  it("cuts a client that does not read, and cancels its request", async () => {
    const long = "x".repeat(64 * 1024);
    const makeDetokenizer = () => ({ push: () => long, flush: () => "" });
    const contextTokens = 100_000;
    const node = await started({
      model: { ...LETTER_MODEL, contextTokens, makeDetokenizer },
      runs: true,
    });
    const client = rawPost(node, { stream: true, max_tokens: 50_000 });
    client.pause();
    client.on("error", () => {});
    await until(() => node.engine.cancelled.length === 1, "a cancel");
    expect(node.streams.count).toBe(0);
    client.destroy();
  });
});
