// Drives the fairlane-node command as a process: its start, its wrong starts, its ends, and its journal over a kill.
import { copyFileSync, existsSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { FakeHub } from "./link/testing/fake-hub.ts";
import { submitted } from "./link/testing/linked-node.ts";
import { NodeProcess, type NodeProcessOptions } from "./testing/node-process.ts";
import { HAS_NATIVE_CORE, TINY_MODEL } from "./testing/tiny-node.ts";

const TOKEN = `fln1_node-a_${"0".repeat(52)}_${"0".repeat(26)}`;
/** Wherever the system's own Node is older, the command has to hand over to the workspace's. */
const OLD_NODE = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => existsSync(path));

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

function run(options: NodeProcessOptions = {}): NodeProcess {
  return stack.use(new NodeProcess(options));
}

/** A hub, and starts of a node that keeps its journal from one to the next. */
async function linked() {
  const hub = stack.use(new FakeHub({ token: TOKEN }));
  const folder = mkdtempSync(join(tmpdir(), "fairlane-linked-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const flags = ["--hub-url", await hub.url()];
  const env = { FAIRLANE_NODE_TOKEN: TOKEN, FAIRLANE_STATE_DIR: join(folder, "state") };
  const start = async () => {
    const node = run({ flags, env, folder });
    await node.url();
    return node;
  };
  return { hub, start };
}

function chat(url: string, fields: object): Promise<Response> {
  const messages = [{ role: "user", content: "hello" }];
  const body = JSON.stringify({ messages, temperature: 0, ...fields });
  return fetch(`${url}/v1/chat/completions`, { method: "POST", body });
}

describe("the fairlane-node command", () => {
  it("helps, and refuses wrong flags and models with one sentence", async () => {
    const help = run({ flags: ["--help"] });
    expect(await help.ended).toMatchObject({ code: 0 });
    expect(help.stdout).toContain("Usage: fairlane-node");
    const wrong = run({ flags: ["--port", "x"] });
    expect(await wrong.ended).toMatchObject({ code: 2 });
    expect(wrong.stderr).toBe(
      "fairlane-node: --port (or FAIRLANE_PORT) is 'x': must be an integer from 0 to 65535.\n",
    );
    const missing = run({ flags: ["--model", "/nowhere/model.gguf"] });
    expect(await missing.ended).toMatchObject({ code: 1 });
    expect(missing.stderr).toMatch(/^fairlane-node: .*\/nowhere\/model.gguf.*\n$/);
    const cut = join(missing.folder, "cut.gguf");
    copyFileSync(TINY_MODEL, cut);
    truncateSync(cut, 20_000);
    const broken = run({ flags: ["--model", cut] });
    expect(await broken.ended).toMatchObject({ code: 1 });
    expect(broken.stderr).toContain("cut.gguf: ");
  });
});

describe.skipIf(!HAS_NATIVE_CORE)("a running fairlane-node", () => {
  it("prints what it serves, answers, and ends with 0 after SIGTERM", async () => {
    const node = run();
    const url = await node.url();
    expect((await chat(url, { max_tokens: 3 })).status).toBe(200);
    expect(node.stdout).toContain(`fairlane-node serves tiny-llama at ${url}`);
    expect(node.stdout).toContain("backend   generic, 1 threads");
    expect(node.stdout).toContain("numerics  generic/int8");
    expect(node.stdout).toContain("pages     64 of 16 tokens, 256KiB; 512 tokens a request");
    expect(await node.stop("SIGTERM")).toEqual({ code: 0, signal: null });
    const events = node.stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string });
    expect(events.map((line) => line.event)).toEqual(["drain_begun", "drain_ended"]);
  });

  it("says in one sentence that its port is taken", async () => {
    const url = await run().url();
    const second = run({ flags: ["--port", new URL(url).port] });
    expect(await second.ended).toMatchObject({ code: 1 });
    expect(second.stderr).toContain(
      `fairlane-node: Cannot listen on 127.0.0.1:${new URL(url).port}`,
    );
  });

  it.skipIf(OLD_NODE === undefined)(
    "hands over to the workspace's Node and passes signals on",
    async () => {
      const node = run({ execPath: OLD_NODE ?? "" });
      expect((await chat(await node.url(), { max_tokens: 1 })).status).toBe(200);
      expect(await node.stop("SIGINT")).toEqual({ code: 0, signal: null });
    },
  );

  it("finishes a running stream while it drains and refuses new work", async () => {
    const node = run();
    const url = await node.url();
    const stream = await chat(url, { stream: true, max_tokens: 400 });
    node.child.kill("SIGTERM");
    node.child.kill("SIGTERM");
    const text = await stream.text();
    expect(text).toContain('"finish_reason":"');
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    expect(await node.ended).toEqual({ code: 0, signal: null });
  });

  it("cuts off what does not end within the drain timeout", async () => {
    const node = run({ flags: ["--drain-timeout-ms", "0", "--max-running", "1"] });
    const url = await node.url();
    // One after the other and past every end token: together they outlast the way of a signal by far.
    const request = { stream: true, max_tokens: 400, ignore_eos: true };
    const answers = Array.from({ length: 16 }, () => chat(url, request));
    await Promise.any(answers);
    node.child.kill("SIGTERM");
    const texts = await Promise.allSettled(answers.map(async (answer) => (await answer).text()));
    const cut = texts.filter(
      (text) => text.status === "fulfilled" && text.value.includes('"code":"draining"'),
    );
    expect(cut.length).toBeGreaterThanOrEqual(8);
    expect(await node.ended).toEqual({ code: 0, signal: null });
  });

  it("ends at once at a second signal", async () => {
    const { hub, start } = await linked();
    const node = await start();
    await hub.until(() => hub.of("heartbeat").length > 0, "the link");
    hub.send(0, { type: "submit", requests: [submitted("req_1", { max_tokens: 1 })] });
    // Nobody acknowledges, so the drain waits for two seconds.
    await hub.until(() => hub.of("usage").length > 0, "usage");
    node.child.kill("SIGTERM");
    await hub.until(() => hub.of("heartbeat").at(-1)?.draining === true, "the drain");
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(await node.stop("SIGTERM")).toEqual({ code: 143, signal: null });
  });

  it("serves a hub and bills every request once over kill -9", async () => {
    const { hub, start } = await linked();
    const first = await start();
    await hub.until(() => hub.of("heartbeat").length > 0, "the link");
    expect(hub.of("hello")[0]).toMatchObject({ node_id: "node-a", region: "local" });
    hub.send(0, {
      type: "submit",
      requests: [
        submitted("req_short", { max_tokens: 2 }),
        submitted("req_long", { max_tokens: 400 }),
      ],
    });
    await hub.until(
      () => hub.of("usage").length > 0 && hub.of("step").length > 20,
      "usage and steps",
    );
    expect(await first.stop("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
    const delivered = hub
      .of("step")
      .flatMap(({ deltas }) => deltas)
      .filter(({ id }) => id === "req_long")
      .at(-1);
    const dones = hub.of("done").map(({ id }) => id);
    const usagesBefore = hub.of("usage").length;
    const second = await start();
    await hub.until(() => hub.of("usage").length > usagesBefore, "usage of the first process");
    const [again] = hub.of("usage").slice(usagesBefore);
    expect(again?.epoch).toBe(hub.of("hello")[0]?.epoch);
    expect(again?.records.map((record) => [record.request_id, record.seq])).toEqual([
      ["req_short", 1],
      ["req_long", 2],
    ]);
    const lost = again?.records[1];
    const ended = dones.includes("req_long") ? ["stop", "length"] : ["node_lost", "stop", "length"];
    expect(ended).toContain(lost?.finish_reason);
    // Whatever a client can have received is in the journal.
    expect(lost?.output_tokens).toBeGreaterThanOrEqual(
      (delivered?.from ?? 0) + (delivered?.n ?? 0),
    );
    hub.send(0, {
      type: "ack",
      epoch: again?.epoch ?? 0,
      watermarks: [{ tenant_id: "ten_a", seq: 2 }],
    } as { type: string });
    expect(await second.stop("SIGTERM")).toEqual({ code: 0, signal: null });
    const third = await start();
    await hub.until(
      () => hub.of("hello").length === 3 && hub.of("heartbeat").length > 2,
      "the link",
    );
    expect(await third.stop("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(hub.of("usage").length).toBe(usagesBefore + 1);
  });
});
