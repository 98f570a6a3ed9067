import { describe, expect, it } from "vitest";
import { freshHub, hubRequest, openStream } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";

describe("a streamed answer", () => {
  it("waits with its status for accept and then carries ready bytes, literally", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const request = hubRequest({ requestId: "req_bytes" });
    const answer = openStream(hub, request);
    const id = await node.accept();
    expect(id).toBe("req_bytes");
    const response = await answer;
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    node.step(id, { from: 0, text: "Hel" });
    node.step(id, { from: 1, text: "", n: 1 });
    node.step(id, { from: 2, text: 'lo "é"\n', n: 2 });
    node.done(id, 4);
    const head =
      '"id":"chatcmpl-req_bytes","object":"chat.completion.chunk","created":1793491200,"model":"tiny"';
    const choice = (delta: string, finish: string): string =>
      `"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}]`;
    expect(await response.text()).toBe(
      [
        `data: {${head},${choice('{"role":"assistant","content":""}', "null")}}`,
        `id: 0\ndata: {${head},${choice('{"content":"Hel"}', "null")}}`,
        `id: 3\ndata: {${head},${choice('{"content":"lo \\"é\\"\\n"}', "null")}}`,
        `data: {${head},${choice("{}", '"stop"')}}`,
        "data: [DONE]",
        "",
      ].join("\n\n"),
    );
  });

  it("carries several answers by their index, each with a role and an end, then the end of all", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const messages = [{ role: "user" as const, content: "Hi" }];
    const answer = openStream(hub, hubRequest({ body: { messages, n: 2, stream: true } }));
    const id = await node.accept();
    node.step(id, { from: 0, choice: 0, text: "A" });
    node.step(id, { from: 0, choice: 1, text: "B", n: 2 });
    const ends = [{ id, choice: 1, finish_reason: "stop" as const }];
    const deltas = [{ id, from: 1, n: 1, text: "a" }];
    node.send({ type: "step", step: 3, deltas, ends });
    node.send({
      type: "step",
      step: 4,
      deltas: [],
      ends: [{ id, choice: 0, finish_reason: "length" }],
    });
    node.done(id, 4);
    const events = (await (await answer).text()).split("\n\n").map((event) => {
      return event.replace(/^data: .*"choices":/, "").replace(/\ndata: .*"choices":/, " ");
    });
    const choice = (index: number, delta: string, finish = "null") =>
      `[{"index":${index},"delta":${delta},"logprobs":null,"finish_reason":${finish}}]}`;
    expect(events).toEqual([
      choice(0, '{"role":"assistant","content":""}'),
      choice(1, '{"role":"assistant","content":""}'),
      `id: 0 ${choice(0, '{"content":"A"}')}`,
      `id: 2 ${choice(1, '{"content":"B"}')}`,
      `id: 3 ${choice(0, '{"content":"a"}')}`,
      choice(1, "{}", '"stop"'),
      choice(0, "{}", '"length"'),
      "data: [DONE]",
      "",
    ]);
  });

  it("ends with an error when a node speaks of an answer that was not asked for", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest());
    const id = await node.accept();
    node.step(id, { from: 0, choice: 1, text: "B" });
    expect(await (await answer).text()).toContain("out of order");
  });

  it("carries log-probabilities with the text they belong to", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest({ requestId: "req_scored" }));
    const id = await node.accept();
    const entry = { token: "Hi", logprob: -0.5, bytes: [72, 105], top_logprobs: [] };
    node.step(id, { from: 0, text: "Hi", logprobs: [entry] });
    node.done(id, 1);
    const [, event] = (await (await answer).text()).split("\n\n");
    expect(event).toMatch(/^id: 0\ndata: /);
    expect(event).toContain(
      '"delta":{"content":"Hi"},"logprobs":{"content":[{"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[]}],"refusal":null},"finish_reason":null}]',
    );
  });

  it("carries reasoning and tool calls as events of their own, and says that it waits for results", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest({ requestId: "req_calls" }));
    const id = await node.accept();
    const deltas = [
      { id, from: 0, n: 1, text: "", reasoning: "Hm." },
      { id, from: 1, n: 2, text: "Look:", calls: [{ index: 0, id: "call_1", name: "now" }] },
      { id, from: 3, n: 1, text: "", calls: [{ index: 0, arguments: "{}" }] },
    ];
    node.send({ type: "step", step: 1, deltas });
    node.done(id, 4);
    const events = (await (await answer).text()).split("\n\n");
    const said = events.map((event) => /"delta":(.*),"logprobs":null,(.*)}]/.exec(event)?.slice(1));
    expect(said.slice(1)).toEqual([
      ['{"reasoning_content":"Hm."}', '"finish_reason":null'],
      ['{"content":"Look:"}', '"finish_reason":null'],
      [
        '{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"now","arguments":""}}]}',
        '"finish_reason":null',
      ],
      ['{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}', '"finish_reason":null'],
      ["{}", '"finish_reason":"tool_calls"'],
      undefined,
      undefined,
    ]);
    expect(events.map((event) => /^id: (\d)/.exec(event)?.[1])).toEqual([
      undefined,
      "0",
      "2",
      "2",
      "3",
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("carries usage when it is asked for, null before the last chunk", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const body = {
      messages: [{ role: "user" as const, content: "Hi" }],
      stream: true,
      stream_options: { include_usage: true },
    };
    const answer = openStream(hub, hubRequest({ body }));
    const id = await node.accept(12);
    node.step(id, { from: 0, text: "A" });
    node.done(id, 1, 12);
    const events = (await (await answer).text()).split("\n\n");
    expect(events).toHaveLength(6);
    expect(events[1]).toContain('"finish_reason":null}],"usage":null}');
    expect(events[3]).toContain(
      '"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":0}}}',
    );
    expect(events[4]).toBe("data: [DONE]");
  });

  it("is a proper HTTP error when the node refuses", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest());
    const { requests } = await node.next("submit");
    node.send({
      type: "refuse",
      id: requests[0]?.id ?? "",
      status: 400,
      code: "context_length_exceeded",
      message: "The prompt has 3000 tokens, the context 2048.",
      param: "messages",
    });
    const response = await answer;
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: {
        message: "The prompt has 3000 tokens, the context 2048.",
        type: "invalid_request_error",
        param: "messages",
        code: "context_length_exceeded",
      },
    });
  });

  it("is a 502 when a newer node refuses with a code that is not known here", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest());
    const { requests } = await node.next("submit");
    const id = requests[0]?.id ?? "";
    node.send({ type: "refuse", id, status: 418, code: "teapot", message: "Short.", param: null });
    expect((await answer).status).toBe(502);
  });

  it("stops the node when its reader goes away", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest());
    const id = await node.accept();
    const reader = (await answer).body?.getReader();
    node.step(id, { from: 0, text: "A" });
    await reader?.read();
    await reader?.cancel();
    expect(await node.next("cancel")).toEqual({ type: "cancel", ids: [id] });
    // Late frames of the step that was running are ignored, and the link lives on.
    node.step(id, { from: 1, text: "B" });
    node.send({
      type: "done",
      id,
      finish_reason: "cancelled",
      usage: { prompt_tokens: 10, cached_tokens: 0, completion_tokens: 2 },
      error: null,
    });
    const next = openStream(hub, hubRequest());
    const nextId = await node.accept();
    node.done(nextId, 0);
    expect((await next).status).toBe(200);
    await (await next).text();
    expect(node.waiting("cancel")).toEqual([]);
  });

  it("stops the node when the client goes away before the status line", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const client = new AbortController();
    const answer = openStream(hub, hubRequest({ requestId: "req_early" }), client.signal);
    const outcome = answer.then(
      ({ status }) => status,
      () => "aborted",
    );
    await node.next("submit");
    client.abort();
    expect(await outcome).toBe("aborted");
    expect((await node.next("cancel")).ids).toEqual(["req_early"]);
  });

  it("writes a keep-alive comment after 200 ms of silence, and none while tokens flow", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest());
    const id = await node.accept();
    const reader = (await answer).body?.pipeThrough(new TextDecoderStream()).getReader();
    const startMs = Date.now();
    let text = "";
    while (!text.includes(": hb\n\n")) text += (await reader?.read())?.value ?? "";
    expect(Date.now() - startMs).toBeGreaterThanOrEqual(150);
    expect(text.split("\n\n").slice(1)).toEqual([": hb", ""]);
    node.step(id, { from: 0, text: "A" });
    expect((await reader?.read())?.value).toContain('"content":"A"');
    node.done(id, 1);
    expect((await reader?.read())?.value).toContain("data: [DONE]");
  });

  it("ends with an error event when the node is lost, followed by the usage of what was served", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const body = {
      messages: [{ role: "user" as const, content: "Hi" }],
      stream: true,
      stream_options: { include_usage: true },
    };
    const answer = openStream(hub, hubRequest({ body }));
    const id = await node.accept(7);
    node.step(id, { from: 0, text: "A", n: 2 });
    node.close();
    const events = (await (await answer).text()).split("\n\n");
    expect(events[2]).toBe(
      'event: error\ndata: {"error":{"message":"The node was lost while it answered.","type":"server_error","param":null,"code":"upstream_error"}}',
    );
    expect(events[3]).toContain('"prompt_tokens":7,"completion_tokens":2,"total_tokens":9');
    expect(events.slice(4)).toEqual([""]);
  });

  it("ends with the node's own error when the node gives the request up", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest());
    const id = await node.accept();
    node.send({
      type: "done",
      id,
      finish_reason: "error",
      usage: { prompt_tokens: 10, cached_tokens: 0, completion_tokens: 0 },
      error: { code: "queue_timeout", message: "Its deadline cannot be met." },
    });
    expect(await (await answer).text()).toContain(
      'event: error\ndata: {"error":{"message":"Its deadline cannot be met.","type":"server_error","param":null,"code":"queue_timeout"}}\n\n',
    );
  });

  it.each([
    ["a gap", 3],
    ["an overlap", 0],
  ])("ends with an error event and a cancel when token offsets have %s", async (_, from) => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest());
    const id = await node.accept();
    node.step(id, { from: 0, text: "AB", n: 2 });
    node.step(id, { from: from, text: "C" });
    const text = await (await answer).text();
    expect(text).toContain('"content":"AB"');
    expect(text).not.toContain('"content":"C"');
    expect(text).toContain("The node's tokens came out of order.");
    expect((await node.next("cancel")).ids).toEqual([id]);
  });

  it("is cut when its reader leaves more than the bound unread", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest());
    const id = await node.accept();
    const reader = (await answer).body?.getReader();
    // Beside the hub's 256 KiB the pipe between the scripts holds some; 4 MiB are more than both.
    const text = "x".repeat(64 * 1024);
    for (let from = 0; from < 64; from++) node.step(id, { from: from, text: text });
    expect((await node.next("cancel")).ids).toEqual([id]);
    const drain = async (): Promise<void> => {
      for (;;) if ((await reader?.read())?.done !== false) return;
    };
    await expect(drain()).rejects.toThrow();
  });

  it("ends with an error event at its deadline", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answer = openStream(hub, hubRequest({ deadlineMs: Date.now() + 300 }));
    const id = await node.accept();
    node.step(id, { from: 0, text: "A" });
    expect(await (await answer).text()).toContain('"code":"queue_timeout"');
    expect((await node.next("cancel")).ids).toEqual([id]);
  });

  it("does not mix the streams of one step frame", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const answers = [];
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      answers.push(openStream(hub, hubRequest()));
      ids.push(await node.accept());
    }
    const responses = await Promise.all(answers);
    for (let from = 0; from < 4; from++) {
      const deltas = ids.map((id, index) => ({ id, from, n: 1, text: `<${index}.${from}>` }));
      node.send({ type: "step", step: from, deltas });
    }
    for (const id of ids) node.done(id, 4);
    const texts = await Promise.all(responses.map((response) => response.text()));
    for (const [index, text] of texts.entries()) {
      const tokens = [...text.matchAll(/<(\d)\.(\d)>/g)].map(([token]) => token);
      expect(tokens).toEqual([0, 1, 2, 3].map((from) => `<${index}.${from}>`));
    }
  });
});
