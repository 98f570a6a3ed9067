// Owns our side of the bench: both Worker scripts in workerd, reached without a proxy before them, storage on tmpfs, the
// mock node linked, and tenants with keys whose limits the load does not meet. Everything that a customer's request passes
// is on: authentication, admission, settlement, ledger.
import { adminTokenHash, makeNodeToken } from "@fairlane/protocol";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { startEdge, type RunningEdge } from "../../../scripts/start-edge.ts";
import { AdminClient } from "../../e2e/platform/admin-client.ts";
import type { Side } from "./http-load.ts";

const ADMIN_TOKEN = "fla1_edge-overhead-bench";
const KEY_PEPPER = "edge-overhead-pepper-0123456789";
const SHARDS = 1;
const TENANTS = 4;
const TMPFS = "/dev/shm";
const LEDGER_TIMEOUT_MS = 20_000;
const LEDGER_POLL_MS = 200;

export interface EdgeSide {
  readonly side: Side;
  /** Where the mock node answers without anything before it. */
  readonly mockUrl: string;
  /** Waits until the ledger has an entry for each of so many requests; throws when it does not, or has more. */
  expectEntries(requests: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts workerd and the mock node, and makes the tenants. */
export async function startEdgeSide(): Promise<EdgeSide> {
  const folder = await mkdtemp(path.join(existsSync(TMPFS) ? TMPFS : tmpdir(), "fairlane-bench-"));
  const edge = await startEdge({
    edgePort: 0,
    hubPort: 0,
    isDirect: true,
    stateDir: folder,
    region: "local",
    hubShardCount: SHARDS,
    keyPepper: KEY_PEPPER,
    saltSecret: "edge-overhead-salt-0123456789",
    adminTokenHash: await adminTokenHash(ADMIN_TOKEN),
    onLogLine: (line) => {
      if (line.includes('"error"')) process.stderr.write(`${line}\n`);
    },
  });
  const mock = await startMock(edge.hubUrl);
  const keys = await makeKeys(edge.edgeUrl);
  const headersOf = (connection: number) => ({
    authorization: `Bearer ${keys[connection % keys.length] ?? ""}`,
  });
  return {
    side: { name: "fairlane", origin: edge.edgeUrl, headersOf },
    mockUrl: mock.url,
    expectEntries: (requests) => expectEntries(edge, requests),
    stop: async () => {
      mock.child.kill("SIGKILL");
      await edge.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startMock(hubUrl: string): Promise<{ child: ChildProcess; url: string }> {
  const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };
  const nodeToken = await makeNodeToken({ nodeName: "bench-node", pepper: KEY_PEPPER, random });
  const script = path.join(import.meta.dirname, "mock-node.ts");
  const child = spawn(process.execPath, [script, hubUrl, nodeToken, String(SHARDS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit").then(() => {
    throw new Error("the mock node ended before it was linked");
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([once(lines, "line"), ended])) as [string];
  ended.catch(() => undefined); // from here on its end is stop()'s
  return { child, url: (JSON.parse(line) as { url: string }).url };
}

async function makeKeys(edgeUrl: string): Promise<readonly string[]> {
  const admin = new AdminClient(edgeUrl, ADMIN_TOKEN);
  const keys: string[] = [];
  for (let tenant = 0; tenant < TENANTS; tenant++) {
    const { tenantId } = await admin.createTenant(`bench ${tenant}`, {
      requests_per_minute: 1_000_000,
      tokens_per_minute: 1_000_000_000,
      parallel_requests: 10_000,
    });
    keys.push((await admin.createKey(tenantId)).apiKey);
  }
  return keys;
}

async function expectEntries(edge: RunningEdge, requests: number): Promise<void> {
  const untilMs = Date.now() + LEDGER_TIMEOUT_MS;
  let entries = -1;
  while (Date.now() < untilMs && entries !== requests) {
    await sleep(LEDGER_POLL_MS);
    const { results } = await edge.ledgerDb
      .prepare("SELECT count(*) AS entries FROM ledger_entries")
      .all();
    const [row] = results as readonly { entries: number }[];
    entries = row?.entries ?? -1;
  }
  if (entries !== requests) throw new Error(`${entries} ledger entries of ${requests} requests`);
}
