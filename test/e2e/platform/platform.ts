// Owns the platform under an end-to-end test: both Worker scripts in one workerd with two hub shards, a recording
// proxy, one real node with the real model, and tenants made through the administration's HTTP API.
import { adminTokenHash, makeNodeToken } from "@fairlane/protocol";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { startEdge, type RunningEdge } from "../../../scripts/start-edge.ts";
import { startNode, type RunningNode } from "../../../scripts/start-node.ts";
import { AdminClient, type TenantLimits } from "./admin-client.ts";
import { startFrameProxy, type FrameProxy } from "./frame-proxy.ts";

const ADMIN_TOKEN = "fla1_end-to-end-admin-token";
const KEY_PEPPER = "end-to-end-pepper-0123456789";
const NODE_NAME = "e2e-1";
const HUB_SHARDS = 2;
const POLL_MS = 20;
const POLL_TIMEOUT_MS = 30_000;

/** A tenant of a test, with an official client that holds its key. */
export interface TestTenant {
  readonly tenantId: string;
  readonly keyId: string;
  readonly apiKey: string;
  readonly openai: OpenAI;
}

export interface LedgerRow {
  readonly request_id: string;
  readonly attempt: number;
  readonly tenant_id: string;
  readonly finish_reason: string;
  readonly prompt_tokens: number;
  readonly computed_prompt_tokens: number;
  readonly computed_cached_tokens: number;
  readonly computed_output_tokens: number;
  readonly billed_prompt_tokens: number;
  readonly billed_output_tokens: number;
  readonly billed_nano_usd: number;
}

/** Polls until `read` answers something; fails with `what` when it takes too long. */
export async function eventually<T>(
  what: string,
  read: () => Promise<T | undefined>,
  timeoutMs = POLL_TIMEOUT_MS,
): Promise<T> {
  const startedMs = Date.now();
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    if (Date.now() - startedMs > timeoutMs) throw new Error(`timed out: ${what}`);
    await sleep(POLL_MS);
  }
}

interface PlatformParts {
  readonly edge: RunningEdge;
  readonly proxy: FrameProxy;
  readonly node: RunningNode;
  readonly stateDir: string;
  readonly nodeFlags: readonly string[];
}

export class Platform {
  readonly edge: RunningEdge;
  readonly proxy: FrameProxy;
  readonly admin: AdminClient;
  readonly #stateDir: string;
  readonly #nodeFlags: readonly string[];
  #node: RunningNode;

  private constructor(parts: PlatformParts) {
    this.edge = parts.edge;
    this.proxy = parts.proxy;
    this.#node = parts.node;
    this.#stateDir = parts.stateDir;
    this.#nodeFlags = parts.nodeFlags;
    this.admin = new AdminClient(parts.edge.edgeUrl, ADMIN_TOKEN);
  }

  /** @param nodeFlags beside those that every test has */
  static async start(nodeFlags: readonly string[] = []): Promise<Platform> {
    const stateDir = await mkdtemp(path.join(tmpdir(), "fairlane-e2e-"));
    const edge = await startEdge({
      edgePort: 0,
      hubPort: 0,
      stateDir: path.join(stateDir, "edge"),
      region: "local",
      hubShardCount: HUB_SHARDS,
      keyPepper: KEY_PEPPER,
      saltSecret: "end-to-end-salt-0123456789",
      adminTokenHash: await adminTokenHash(ADMIN_TOKEN),
    });
    const proxy = await startFrameProxy(edge.hubUrl);
    const node = await startTestNode({ proxyUrl: proxy.url, stateDir, nodeFlags });
    const platform = new Platform({ edge, proxy, node, stateDir, nodeFlags });
    await platform.waitForLinks();
    return platform;
  }

  get node(): RunningNode {
    return this.#node;
  }

  /** Starts a node again on the same journal after the last one ended. */
  async restartNode(): Promise<void> {
    const seenBefore = this.proxy.seen.length;
    const { url: proxyUrl } = this.proxy;
    const own = { stateDir: this.#stateDir, nodeFlags: this.#nodeFlags };
    this.#node = await startTestNode({ proxyUrl, ...own });
    await this.waitForLinks(seenBefore);
  }

  /** Waits until both shards have welcomed the node. */
  async waitForLinks(seenBefore = 0): Promise<void> {
    await eventually("both shards linked", () => {
      const fresh = this.proxy.seen.slice(seenBefore);
      const shards = fresh
        .filter((seen) => seen.type === "welcome")
        .map((seen) => seen.frame["shard"]);
      return Promise.resolve(new Set(shards).size === HUB_SHARDS ? true : undefined);
    });
  }

  async newTenant(name: string, limits: TenantLimits = {}): Promise<TestTenant> {
    const { tenantId } = await this.admin.createTenant(name, limits);
    const { keyId, apiKey } = await this.admin.createKey(tenantId);
    return { tenantId, keyId, apiKey, openai: this.client(apiKey) };
  }

  /** The official client, without its own retries so that a test sees the first answer. */
  client(apiKey: string): OpenAI {
    return new OpenAI({ apiKey, baseURL: `${this.edge.edgeUrl}/v1`, maxRetries: 0 });
  }

  /** The D1 ledger's rows of one request. */
  async ledgerRows(requestId: string): Promise<readonly LedgerRow[]> {
    const ledgerDb = await this.edge.openLedgerDb();
    const { results } = await ledgerDb
      .prepare("SELECT * FROM ledger_entries WHERE request_id = ?")
      .bind(requestId)
      .all();
    return results as unknown as readonly LedgerRow[];
  }

  /** The one ledger row of a request, once it is there. */
  async ledgerRow(requestId: string): Promise<LedgerRow> {
    const rows = await eventually(`ledger entry of ${requestId}`, async () => {
      const found = await this.ledgerRows(requestId);
      return found.length === 0 ? undefined : found;
    });
    const [row] = rows;
    if (rows.length !== 1 || !row) throw new Error(`${rows.length} ledger rows of ${requestId}`);
    return row;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node.stop("SIGKILL");
    await this.proxy.stop();
    await this.edge.stop();
    await rm(this.#stateDir, { recursive: true, force: true });
  }
}

async function startTestNode(options: {
  readonly proxyUrl: string;
  readonly stateDir: string;
  readonly nodeFlags: readonly string[];
}): Promise<RunningNode> {
  const { proxyUrl, stateDir, nodeFlags } = options;
  const token = await makeNodeToken({
    nodeName: NODE_NAME,
    pepper: KEY_PEPPER,
    random: { fill: (target) => crypto.getRandomValues(target) },
  });
  return startNode({
    flags: [
      ...["--port", "0", "--region", "local", "--hub-url", proxyUrl],
      ...["--state-dir", path.join(stateDir, "node"), "--page-count", "2048"],
      ...nodeFlags,
    ],
    env: { FAIRLANE_NODE_TOKEN: token },
    onLogLine: (line) => {
      if (process.env["FAIRLANE_E2E_LOGS"]) process.stderr.write(`node | ${line}\n`);
    },
  });
}
