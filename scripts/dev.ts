// Owns `npm run dev`: everything of Fairlane on one machine, from a bare clone to a curl line that works. Builds,
// migrates, starts hub + edge (one miniflare; an edge for each region) and the nodes, makes a tenant and a fresh API key; ends all of it on
// Ctrl-C, also what a crash left behind.
import { adminTokenHash } from "@fairlane/protocol";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";
import path from "node:path";
import { buildNative } from "./build-native.ts";
import { endLeftovers, watchChildren } from "./children-watch.ts";
import { DEV_HELP, parseDevFlags, type DevFlags } from "./dev-flags.ts";
import { loadSecrets, nodeTokenOf, writeOwnerOnly, type DevSecrets } from "./dev-state.ts";
import { ensureDefaultModel } from "./default-model.ts";
import { portHolder } from "./process-tree.ts";
import { makeTenantAndKey } from "./seed-client.ts";
import { startEdge, type RunningEdge } from "./start-edge.ts";
import { startSupervisedNode, type SupervisedNode } from "./supervised-node.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const NODE_NAME = "local-1";
const REGION = "local";
/** Pool of each of several nodes: one alone takes what is free, and they would take it twice. */
const SHARED_KV_MEMORY = "1GiB";
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
      furtherRegions: regionsOf(flags)
        .slice(1)
        .map((region) => ({ region, edgePort: 0 })),
      hubShardCount: flags.shardCount,
      keyPepper: secrets.keyPepper,
      saltSecret: secrets.saltSecret,
      adminTokenHash: hash,
    }),
  );
}

/** The first one, and further ones by number. */
function regionsOf({ regionCount }: DevFlags): string[] {
  return Array.from({ length: regionCount }, (_, i) => (i === 0 ? REGION : `${REGION}-${i + 1}`));
}

/** @param index of the node; the first is the one that every start has */
async function startLocalNode(
  flags: DevFlags,
  index: number,
  place: { readonly stateDir: string; readonly hubUrl: string; readonly secrets: DevSecrets },
): Promise<SupervisedNode> {
  const { stateDir, hubUrl, secrets } = place;
  const regions = regionsOf(flags);
  const name = index === 0 ? NODE_NAME : `${REGION}-${index + 1}`;
  const threads = Math.max(1, Math.floor(availableParallelism() / flags.nodeCount));
  const nodeFlags = [
    ...["--port", String(index === 0 ? flags.nodePort : 0)],
    ...["--region", regions[index % regions.length] ?? REGION],
    ...["--hub-url", hubUrl.replace(/^http/, "ws")],
    ...["--state-dir", path.join(stateDir, "node", name)],
    ...(flags.nodeCount === 1
      ? []
      : ["--threads", String(threads), "--kv-memory", SHARED_KV_MEMORY]),
    ...(flags.model === undefined ? [] : ["--model", flags.model]),
  ];
  const token = index === 0 ? secrets.nodeToken : await nodeTokenOf(name, secrets);
  const env = { FAIRLANE_NODE_TOKEN: token };
  const label = flags.nodeCount === 1 ? "node" : name;
  const onLogLine = (line: string) => process.stderr.write(`${label} | ${line}\n`);
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
  readonly edgeUrls: readonly string[];
  readonly nodeUrls: readonly string[];
  readonly apiKey: string;
  readonly model: string;
}): void {
  const { edgeUrls, nodeUrls, apiKey, model } = facts;
  const [edgeUrl = "", ...furtherEdges] = edgeUrls;
  const regions = furtherEdges.map((url) => `\n  API, further region       ${url}/v1`);
  const nodes = nodeUrls.map((url) => `\n  node, alone              ${url}`);
  process.stdout.write(`
Fairlane is ready. Ctrl-C stops it.

  API (OpenAI-compatible)  ${edgeUrl}/v1${regions.join("")}${nodes.join("")}
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
  const nodeUrls: string[] = [];
  // One after the other: the first may fetch the model that all share.
  for (let index = 0; index < flags.nodeCount; index++) {
    const node = await startLocalNode(flags, index, { stateDir, hubUrl, secrets });
    started.push(node);
    nodeUrls.push(node.url);
  }
  const edgeUrls = [edgeUrl, ...edge.furtherEdgeUrls];
  const { adminToken } = secrets;
  const { apiKey } = await makeTenantAndKey({ edgeUrl, adminToken, name: "dev" });
  const models = await Promise.all(edgeUrls.map((url) => waitForModel(url, apiKey)));
  if (flags.readyFile !== undefined) {
    const ready = { edgeUrl, edgeUrls, nodeUrls, dashboardUrl: null, apiKey, adminToken };
    await writeOwnerOnly(path.resolve(flags.readyFile), ready);
  }
  printReady({ edgeUrls, nodeUrls, apiKey, model: models[0] ?? "" });
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
