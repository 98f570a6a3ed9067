// Owns the platform of a storm: two regions in one workerd, each with an edge and two hub shards, real nodes on the committed
// tiny model, tenants without limits that matter; every part can be killed at any moment and comes back on its own storage.
import { adminTokenHash, makeNodeToken } from "@fairlane/protocol";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { startEdge, type RunningEdge } from "../../../scripts/start-edge.ts";
import { startNode, type RunningNode } from "../../../scripts/start-node.ts";
import { AdminClient } from "./admin-client.ts";
import { killWorkerd } from "./kill-workerd.ts";

const ADMIN_TOKEN = "fla1_storm-admin-token";
const KEY_PEPPER = "storm-pepper-0123456789abcdef";
const TINY_MODEL = path.resolve(import.meta.dirname, "../../fixtures/tiny-llama/tiny-llama.gguf");
const HUB_SHARDS = 2;
const REGIONS = ["local", "local-2"] as const;
/** Far above what a storm makes: what is measured is usage, not limits. */
const NO_LIMITS = {
  requests_per_minute: 1_000_000,
  tokens_per_minute: 1_000_000_000,
  parallel_requests: 1_000,
};

export interface StormNode {
  readonly name: string;
  readonly region: (typeof REGIONS)[number];
}

export interface StormTenant {
  readonly tenantId: string;
  readonly apiKey: string;
}

export class StormFleet implements AsyncDisposable {
  readonly edge: RunningEdge;
  readonly #stateDir: string;
  readonly #nodes = new Map<string, StormNode & { readonly running: RunningNode }>();

  private constructor(edge: RunningEdge, stateDir: string) {
    this.edge = edge;
    this.#stateDir = stateDir;
  }

  static async start(nodes: readonly StormNode[]): Promise<StormFleet> {
    const stateDir = await mkdtemp(path.join(tmpdir(), "fairlane-storm-"));
    const edge = await startEdge({
      edgePort: 0,
      hubPort: 0,
      stateDir: path.join(stateDir, "edge"),
      region: REGIONS[0],
      // A port that stays over a restart of the runtime.
      furtherRegions: [{ region: REGIONS[1], edgePort: await freePort() }],
      hubShardCount: HUB_SHARDS,
      runsCron: false,
      keyPepper: KEY_PEPPER,
      saltSecret: "storm-salt-0123456789abcdef",
      adminTokenHash: await adminTokenHash(ADMIN_TOKEN),
    });
    const fleet = new StormFleet(edge, stateDir);
    await Promise.all(nodes.map((node) => fleet.#startNode(node)));
    return fleet;
  }

  get nodeNames(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  /** An edge of each region. */
  get edgeUrls(): readonly string[] {
    return [this.edge.edgeUrl, ...this.edge.furtherEdgeUrls];
  }

  /** The journal's file of a node. */
  journalOf(nodeName: string): string {
    return path.join(this.#stateDir, nodeName, "usage-journal.sqlite");
  }

  async newTenant(name: string): Promise<StormTenant> {
    const admin = new AdminClient(this.edge.edgeUrl, ADMIN_TOKEN);
    const { tenantId } = await admin.createTenant(name, NO_LIMITS);
    const { apiKey } = await admin.createKey(tenantId);
    return { tenantId, apiKey };
  }

  /** Kills a node and starts it again on its journal; answers when it serves. */
  async killNode(name: string): Promise<void> {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    await node.running.stop("SIGKILL");
    await this.#startNode(node);
  }

  /** Kills the runtime of hub and edge; answers when it serves again. */
  killWorkerd(): Promise<void> {
    return killWorkerd(this.edge.edgeUrl);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { running } of this.#nodes.values()) await running.stop("SIGKILL");
    await this.edge.stop();
    await rm(this.#stateDir, { recursive: true, force: true });
  }

  async #startNode({ name: nodeName, region }: StormNode): Promise<void> {
    const token = await makeNodeToken({
      nodeName,
      pepper: KEY_PEPPER,
      random: { fill: (target) => crypto.getRandomValues(target) },
    });
    const hubUrl = this.edge.hubUrl.replace(/^http/, "ws");
    const running = await startNode({
      flags: [
        ...["--port", "0", "--region", region, "--hub-url", hubUrl, "--model", TINY_MODEL],
        ...["--isa", "generic", "--numerics", "f32", "--threads", "1", "--max-running", "8"],
        ...["--state-dir", path.join(this.#stateDir, nodeName), "--page-count", "512"],
      ],
      env: { FAIRLANE_NODE_TOKEN: token },
      onLogLine: (line) => {
        if (process.env["FAIRLANE_E2E_LOGS"]) process.stderr.write(`${nodeName} | ${line}\n`);
      },
    });
    this.#nodes.set(nodeName, { name: nodeName, region, running });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
