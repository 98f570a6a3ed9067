// `npm run dev` as a developer lives with it: everything answers, Ctrl-C leaves nothing behind even after a crash of
// a part, and a start after a kill cleans up.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { descendantsOf, isAlive, type ProcessMark } from "../../scripts/process-tree.ts";
import { eventually } from "./platform/platform.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

interface ReadyFile {
  readonly edgeUrl: string;
  readonly edgeUrls: readonly string[];
  readonly nodeUrls: readonly string[];
  readonly dashboardUrl: null;
  readonly apiKey: string;
  readonly adminToken: string;
}

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), "fairlane-dev-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

// A test that fails half-way must not leave its dev to the next one.
const running = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    process.kill(-(child.pid ?? 0), "SIGINT");
    await once(child, "exit");
  }
  running.clear();
});

function startDev(args: readonly string[]): { readonly child: ChildProcess; output(): string } {
  const script = path.join(ROOT, "scripts/dev.ts");
  const state = ["--state-dir", path.join(folder, "state")];
  const child = spawn(process.execPath, [script, ...state, ...args], {
    cwd: ROOT,
    // A group of its own, as a terminal gives one: Ctrl-C reaches every process of the group.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => (text += data.toString("utf8")));
  }
  return { child, output: () => text };
}

const ANY_PORTS = ["--port", "0", "--hub-port", "0", "--node-port", "0"];

async function startReadyDev(name: string, flags: readonly string[] = []) {
  const readyFile = path.join(folder, `${name}.json`);
  const dev = startDev([...ANY_PORTS, ...flags, "--ready-file", readyFile]);
  let exited = false;
  dev.child.once("exit", () => (exited = true));
  const text = await eventually("ready file", async () => {
    if (exited) throw new Error(`dev ended: ${dev.output()}`);
    return readFile(readyFile, "utf8").catch(() => undefined);
  });
  const ready = JSON.parse(text) as ReadyFile;
  const pid = dev.child.pid ?? 0;
  return { ...dev, pid, ready, readyFile, family: await descendantsOf(pid) };
}

async function commandOf(mark: ProcessMark): Promise<string> {
  return readFile(`/proc/${mark.pid}/cmdline`, "utf8").catch(() => "");
}

async function expectNobodyLeft(marks: readonly ProcessMark[], urls: readonly string[]) {
  const alive = await Promise.all(marks.map(isAlive));
  expect(alive).toEqual(marks.map(() => false));
  for (const url of urls) await expect(fetch(url)).rejects.toThrow();
}

describe("npm run dev", () => {
  it("serves a request with the printed key, and Ctrl-C ends every process", async () => {
    const dev = await startReadyDev("first");
    const openai = new OpenAI({ apiKey: dev.ready.apiKey, baseURL: `${dev.ready.edgeUrl}/v1` });
    const answer = await openai.chat.completions.create({
      model: "smollm2-135m-instruct",
      messages: [
        { role: "user", content: "What is the capital of France? Answer in one sentence." },
      ],
      temperature: 0,
    });
    expect(answer.choices[0]?.message.content).toContain("Paris");
    expect(dev.ready.dashboardUrl).toBeNull();
    expect((await stat(dev.readyFile)).mode & 0o777).toBe(0o600);
    expect(dev.output()).toContain(`curl ${dev.ready.edgeUrl}/v1/chat/completions`);
    expect(dev.family.length).toBeGreaterThanOrEqual(2);
    process.kill(-dev.pid, "SIGINT");
    const [code] = (await once(dev.child, "exit")) as [number | null];
    expect(code).toBe(0);
    await expectNobodyLeft(dev.family, [dev.ready.edgeUrl, ...dev.ready.nodeUrls]);
  });

  it("starts two regions with a node each, whose usage is one tenant's exact sum", async () => {
    const dev = await startReadyDev("regions", ["--regions", "2", "--nodes", "2", "--shards", "2"]);
    const { edgeUrls, nodeUrls, apiKey } = dev.ready;
    expect([edgeUrls.length, nodeUrls.length]).toEqual([2, 2]);
    const headers = { authorization: `Bearer ${apiKey}` };
    const ask = async (url: string) => {
      const messages = [{ role: "user", content: "What is the capital of France?" }];
      const body = JSON.stringify({ messages, max_tokens: 6, temperature: 0 });
      const answer = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body });
      const { choices, usage } = (await answer.json()) as {
        readonly choices: readonly { readonly message: { readonly content: string } }[];
        readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
      };
      return { content: choices[0]?.message.content, usage };
    };
    const answers = await Promise.all([...edgeUrls, ...edgeUrls, ...edgeUrls].map(ask));
    // Greedy text does not depend on the region.
    expect(new Set(answers.map(({ content }) => content)).size).toBe(1);
    const sumOf = (field: "prompt_tokens" | "completion_tokens") =>
      answers.reduce((sum, { usage }) => sum + usage[field], 0);
    const totals = await eventually("usage of both regions", async () => {
      const response = await fetch(`${edgeUrls[1] ?? ""}/v1/fairlane/usage`, { headers });
      const usage = (await response.json()) as { readonly totals: Record<string, number> };
      return usage.totals["entries"] === 6 ? usage.totals : undefined;
    });
    expect(totals["output_tokens"]).toBe(sumOf("completion_tokens"));
    expect((totals["prompt_tokens"] ?? 0) + (totals["cached_tokens"] ?? 0)).toBe(
      sumOf("prompt_tokens"),
    );
    const served = await Promise.all(
      nodeUrls.map(async (url) => (await fetch(`${url}/metrics`)).text()),
    );
    for (const text of served)
      expect(text).toMatch(/^fairlane_node_tokens_total\{kind="output"\} [1-9]/m);
    process.kill(-dev.pid, "SIGINT");
    await once(dev.child, "exit");
  });

  it("leaves nothing behind on Ctrl-C after workerd and the node have crashed", async () => {
    const dev = await startReadyDev("crash");
    for (const mark of dev.family) {
      const command = await commandOf(mark);
      if (/workerd|gpu-node/.test(command)) process.kill(mark.pid, "SIGKILL");
    }
    // Both come back by themselves; a developer may press Ctrl-C in the middle of it or after.
    const back = await eventually("crashed parts are back", async () => {
      const now = await descendantsOf(dev.pid);
      const commands = await Promise.all(now.map(commandOf));
      const has = (word: string) => commands.some((command) => command.includes(word));
      return has("workerd") && has("gpu-node") ? now : undefined;
    });
    process.kill(-dev.pid, "SIGINT");
    await once(dev.child, "exit");
    await expectNobodyLeft([...dev.family, ...back], [dev.ready.edgeUrl, ...dev.ready.nodeUrls]);
  });

  it("ends on its next start what a kill -9 of itself left behind", async () => {
    const killed = await startReadyDev("killed");
    await eventually("children recorded", async () => {
      const file = path.join(folder, "state/run.json");
      const run = JSON.parse(await readFile(file, "utf8")) as { readonly children: ProcessMark[] };
      const pids = new Set(run.children.map((mark) => mark.pid));
      return killed.family.every((mark) => pids.has(mark.pid)) ? true : undefined;
    });
    process.kill(killed.pid, "SIGKILL");
    await once(killed.child, "exit");
    const next = await startReadyDev("next");
    await expectNobodyLeft(killed.family, [killed.ready.edgeUrl, ...killed.ready.nodeUrls]);
    process.kill(-next.pid, "SIGINT");
    await once(next.child, "exit");
  });

  it("refuses a second start on the same state, naming the first", async () => {
    const first = await startReadyDev("running");
    const second = startDev(ANY_PORTS);
    const [code] = (await once(second.child, "exit")) as [number | null];
    expect(code).toBe(1);
    expect(second.output()).toContain(`already runs on`);
    expect(second.output()).toContain(`as process ${first.pid}`);
    expect((await fetch(`${first.ready.edgeUrl}/health`)).status).toBe(200);
  });

  it("says in one sentence who holds a port", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const dev = startDev(["--port", String(port), "--hub-port", "0", "--node-port", "0"]);
    const [code] = (await once(dev.child, "exit")) as [number | null];
    server.close();
    expect(code).toBe(1);
    expect(dev.output()).toContain(`port ${port} is held by process ${process.pid}`);
  });
});
