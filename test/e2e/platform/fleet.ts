// Owns a small fleet under an end-to-end test: both Worker scripts in one workerd with one hub shard, and several real
// nodes on the committed tiny model, each behind a recording proxy, with few running requests so that queues form.
import { adminTokenHash, makeNodeToken } from "@fairlane/protocol";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startEdge, type RunningEdge } from "../../../scripts/start-edge.ts";
import { startNode, type RunningNode } from "../../../scripts/start-node.ts";
import { AdminClient } from "./admin-client.ts";
import { startFrameProxy, type FrameProxy } from "./frame-proxy.ts";

const ADMIN_TOKEN = "fla1_fleet-admin-token";
const KEY_PEPPER = "fleet-pepper-0123456789abcdef";
const TINY_MODEL = path.resolve(import.meta.dirname, "../../fixtures/tiny-llama/tiny-llama.gguf");
export const POOL_PAGES = 64;

/** What one exchange of the API answered. */
export interface FleetAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export class Fleet implements AsyncDisposable {
  readonly edge: RunningEdge;
  readonly admin: AdminClient;
  readonly nodes = new Map<string, { node: RunningNode; proxy: FrameProxy }>();
  readonly #stateDir: string;
  readonly #model: string;

  private constructor(edge: RunningEdge, options: { stateDir: string; model: string }) {
    this.edge = edge;
    this.#stateDir = options.stateDir;
    this.#model = options.model;
    this.admin = new AdminClient(edge.edgeUrl, ADMIN_TOKEN);
  }

  static async start(nodeNames: readonly string[], model = TINY_MODEL): Promise<Fleet> {
    const stateDir = await mkdtemp(path.join(tmpdir(), "fairlane-fleet-"));
    const edge = await startEdge({
      edgePort: 0,
      hubPort: 0,
      stateDir: path.join(stateDir, "edge"),
      region: "local",
      hubShardCount: 1,
      keyPepper: KEY_PEPPER,
      saltSecret: "fleet-salt-0123456789abcdef",
      adminTokenHash: await adminTokenHash(ADMIN_TOKEN),
    });
    const fleet = new Fleet(edge, { stateDir, model });
    for (const name of nodeNames) {
      const proxy = await startFrameProxy(edge.hubUrl);
      fleet.nodes.set(name, { proxy, node: await fleet.#startNode(name, proxy) });
    }
    return fleet;
  }

  /** Kills a node and starts it again on its journal. */
  async restart(name: string): Promise<void> {
    const known = this.nodes.get(name);
    if (known === undefined) throw new Error(`no node ${name}`);
    await known.node.stop("SIGKILL");
    this.nodes.set(name, { ...known, node: await this.#startNode(name, known.proxy) });
  }

  async newTenant(name: string): Promise<{ readonly tenantId: string; readonly apiKey: string }> {
    const { tenantId } = await this.admin.createTenant(name, { requests_per_minute: 1_000_000 });
    const { apiKey } = await this.admin.createKey(tenantId);
    return { tenantId, apiKey };
  }

  /** GET with a credential. */
  async get(route: string, credential = ADMIN_TOKEN): Promise<FleetAnswer> {
    const headers = { authorization: `Bearer ${credential}` };
    const response = await fetch(`${this.edge.edgeUrl}${route}`, { headers });
    return {
      status: response.status,
      body: (await response.json()) as Record<string, unknown>,
    };
  }

  /** One chat request; true when it was answered. */
  async chat(apiKey: string, content: string): Promise<boolean> {
    const response = await fetch(`${this.edge.edgeUrl}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      body: JSON.stringify({ messages: [{ role: "user", content }], max_tokens: 24 }),
    });
    await response.arrayBuffer();
    return response.ok;
  }

  /** Rows of the ledger database. */
  async rows(sql: string, tenantId: string): Promise<readonly Record<string, unknown>[]> {
    // Afresh: the runtime may have been killed since.
    const ledgerDb = await this.edge.openLedgerDb();
    const { results } = await ledgerDb.prepare(sql).bind(tenantId).all();
    return results;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { node, proxy } of this.nodes.values()) {
      await node.stop("SIGKILL");
      await proxy.stop();
    }
    await this.edge.stop();
    await rm(this.#stateDir, { recursive: true, force: true });
  }

  async #startNode(nodeName: string, proxy: FrameProxy): Promise<RunningNode> {
    const token = await makeNodeToken({
      nodeName,
      pepper: KEY_PEPPER,
      random: { fill: (target) => crypto.getRandomValues(target) },
    });
    return startNode({
      flags: [
        ...["--port", "0", "--region", "local", "--hub-url", proxy.url, "--model", this.#model],
        ...["--isa", "generic", "--numerics", "f32", "--threads", "1", "--max-running", "2"],
        ...["--state-dir", path.join(this.#stateDir, nodeName)],
        ...["--page-count", String(POOL_PAGES), "--admission", "strict"],
      ],
      env: { FAIRLANE_NODE_TOKEN: token },
      onLogLine: (line) => {
        if (process.env["FAIRLANE_E2E_LOGS"]) process.stderr.write(`${nodeName} | ${line}\n`);
      },
    });
  }
}
