// Owns `npm run dev`: everything of Fairlane on one machine, from a bare clone to a curl line that works. Builds,
// migrates, starts hub + edge (one miniflare) and a node, makes a tenant and a fresh API key; ends all of it on
// Ctrl-C, also what a crash left behind.
import { adminTokenHash } from "@fairlane/protocol";
import { createServer } from "node:net";
import path from "node:path";
import { buildNative } from "./build-native.ts";
import { endLeftovers, watchChildren } from "./children-watch.ts";
import { DEV_HELP, parseDevFlags, type DevFlags } from "./dev-flags.ts";
import { loadSecrets, writeOwnerOnly, type DevSecrets } from "./dev-state.ts";
import { ensureDefaultModel } from "./default-model.ts";
import { portHolder } from "./process-tree.ts";
import { makeTenantAndKey } from "./seed-client.ts";
import { startEdge, type RunningEdge } from "./start-edge.ts";
import { startSupervisedNode, type SupervisedNode } from "./supervised-node.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const NODE_NAME = "local-1";
const REGION = "local";
const LINK_TIMEOUT_MS = 30_000;
const LINK_POLL_MS = 50;

function say(sentence: string): void {
  process.stderr.write(`fairlane: ${sentence}\n`);
}

async function requireFreePort(name: string, port: number): Promise<void> {
  if (port === 0) return;
  const free = await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () =>
      server.close(() => resolve(true)),
    );
  });
  if (free) return;
  const holder = await portHolder(port);
  throw new Error(`port ${port} is held by ${holder}: end it or pass --${name} with another port.`);
}

async function requireFreePorts(flags: DevFlags): Promise<void> {
  await requireFreePort("port", flags.edgePort);
  await requireFreePort("hub-port", flags.hubPort);
  await requireFreePort("node-port", flags.nodePort);
}

/** Waits until the edge lists a model: then a node is linked and a request can be served. */
async function waitForModel(edgeUrl: string, apiKey: string): Promise<string> {
  const headers = { authorization: `Bearer ${apiKey}` };
  const startedMs = Date.now();
  for (;;) {
    const response = await fetch(`${edgeUrl}/v1/models`, { headers });
    const body = (await response.json()) as { readonly data?: readonly { readonly id: string }[] };
    const id = body.data?.[0]?.id;
    if (id !== undefined) return id;
    if (Date.now() - startedMs > LINK_TIMEOUT_MS)
      throw new Error("the node did not link to the hub");
    await new Promise((resolve) => setTimeout(resolve, LINK_POLL_MS));
  }
}

function startLocalEdge(
  flags: DevFlags,
  stateDir: string,
  secrets: DevSecrets,
): Promise<RunningEdge> {
  return adminTokenHash(secrets.adminToken).then((hash) =>
    startEdge({
      edgePort: flags.edgePort,
      hubPort: flags.hubPort,
      stateDir: path.join(stateDir, "edge"),
      region: REGION,
      hubShardCount: 1,
      keyPepper: secrets.keyPepper,
      saltSecret: secrets.saltSecret,
      adminTokenHash: hash,
    }),
  );
}

function startLocalNode(
  flags: DevFlags,
  stateDir: string,
  link: { readonly hubUrl: string; readonly nodeToken: string },
): Promise<SupervisedNode> {
  const nodeFlags = [
    ...["--port", String(flags.nodePort), "--region", REGION],
    ...["--hub-url", link.hubUrl.replace(/^http/, "ws")],
    ...["--state-dir", path.join(stateDir, "node", NODE_NAME)],
    ...(flags.model === undefined ? [] : ["--model", flags.model]),
  ];
  const env = { FAIRLANE_NODE_TOKEN: link.nodeToken };
  const onLogLine = (line: string) => process.stderr.write(`node | ${line}\n`);
  return startSupervisedNode({ flags: nodeFlags, env, onLogLine }, say);
}

function curlLine(edgeUrl: string, apiKey: string, model: string): string {
  const body = JSON.stringify({
    model,
    messages: [{ role: "user", content: "What is the capital of France? Answer in one sentence." }],
    temperature: 0,
  });
  return `curl ${edgeUrl}/v1/chat/completions -H "authorization: Bearer ${apiKey}" -H "content-type: application/json" -d '${body}'`;
}

function printReady(facts: {
  readonly edgeUrl: string;
  readonly nodeUrl: string;
  readonly apiKey: string;
  readonly model: string;
}): void {
  const { edgeUrl, nodeUrl, apiKey, model } = facts;
  process.stdout.write(`
Fairlane is ready. Ctrl-C stops it.

  API (OpenAI-compatible)  ${edgeUrl}/v1
  node, alone              ${nodeUrl}
  model                    ${model}
  API key (new)            ${apiKey}

Try:

  ${curlLine(edgeUrl, apiKey, model)}

`);
}

type Stoppable = { stop(): Promise<void> };

async function stopAll(parts: readonly Stoppable[]): Promise<void> {
  for (const part of parts.toReversed()) {
    await part.stop().catch((error: unknown) => {
      say(`a part did not stop cleanly: ${error instanceof Error ? error.message : "unknown"}`);
    });
  }
}

async function start(flags: DevFlags, stateDir: string, started: Stoppable[]): Promise<void> {
  const leftovers = await endLeftovers(stateDir);
  if (leftovers > 0) say(`ended ${leftovers} processes that an earlier start had left behind`);
  await requireFreePorts(flags);
  started.push(await watchChildren(stateDir));
  await buildNative();
  if (flags.model === undefined) await ensureDefaultModel();
  const secrets = await loadSecrets(stateDir, NODE_NAME);
  const edge = await startLocalEdge(flags, stateDir, secrets);
  started.push(edge);
  const { hubUrl, edgeUrl } = edge;
  const node = await startLocalNode(flags, stateDir, { hubUrl, nodeToken: secrets.nodeToken });
  started.push(node);
  const { adminToken } = secrets;
  const { apiKey } = await makeTenantAndKey({ edgeUrl, adminToken, name: "dev" });
  const model = await waitForModel(edgeUrl, apiKey);
  if (flags.readyFile !== undefined) {
    const nodeUrls = [node.url];
    const ready = { edgeUrl, nodeUrls, dashboardUrl: null, apiKey, adminToken };
    await writeOwnerOnly(path.resolve(flags.readyFile), ready);
  }
  printReady({ edgeUrl, nodeUrl: node.url, apiKey, model });
}

async function main(): Promise<void> {
  const flags = parseDevFlags(process.argv.slice(2));
  if (flags === "help") {
    process.stdout.write(DEV_HELP);
    return;
  }
  const stateDir = path.resolve(ROOT, flags.stateDir ?? ".fairlane");
  const started: Stoppable[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (code: number) => {
    stopping ??= stopAll(started).then(() => process.exit(code));
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop(0));
  try {
    await start(flags, stateDir, started);
  } catch (error) {
    if (stopping === undefined) say(error instanceof Error ? error.message : String(error));
    stop(1);
  }
}

await main();
