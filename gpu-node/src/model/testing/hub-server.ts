// Owns a small model hub on loopback for download tests: the three routes that fetching uses, with ways to cut,
// spoil or hold back what it sends. For tests only.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HubContent {
  readonly repo: string;
  readonly revision: string;
  readonly files: Readonly<Record<string, Buffer>>;
  /** Files listed with a SHA-256 as hubs do for large ones; the others get git's SHA-1. */
  readonly large: readonly string[];
}

/** What happens to the next requests for file contents, one entry each; then all goes well. */
export type Fault =
  | { readonly kind: "cut"; readonly afterBytes: number }
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "spoil" }
  | { readonly kind: "ignoreRange" }
  | { readonly kind: "silence"; readonly afterBytes: number };

export class HubServer {
  readonly url: string;
  /** "path range" of every request for a file's content. */
  readonly requests: string[] = [];
  readonly faults: Fault[] = [];
  /** How much of the file the client has taken; a cut waits for it, as a lost connection loses what is under way. */
  takenBytes: () => number = () => Number.POSITIVE_INFINITY;
  private readonly content: HubContent;
  private readonly server: ReturnType<typeof createServer>;

  private constructor(content: HubContent, server: ReturnType<typeof createServer>) {
    this.content = content;
    this.server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (request, response) => this.answer(request, response));
  }

  static async start(content: HubContent): Promise<HubServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new HubServer(content, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { repo, revision, files } = this.content;
    const path = decodeURIComponent(new URL(request.url ?? "/", this.url).pathname);
    const contentPrefix = `/${repo}/resolve/${revision}/`;
    if (path === `/api/models/${repo}/revision/HEAD`) return json(response, this.info());
    if (path === `/api/models/${repo}/tree/${revision}`) return json(response, this.tree());
    const file = path.startsWith(contentPrefix)
      ? files[path.slice(contentPrefix.length)]
      : undefined;
    if (!file) return json(response, { error: "Repository not found" }, 404);
    this.requests.push(`${path.slice(contentPrefix.length)} ${request.headers.range ?? "all"}`);
    this.sendFile(file, request, response);
  }

  private info() {
    const { repo, revision } = this.content;
    return { _id: "1", id: repo, sha: revision, lastModified: "2026-11-21T00:00:00.000Z" };
  }

  private tree() {
    const { files, large } = this.content;
    return Object.entries(files).map(([path, content]) => {
      const sha256 = createHash("sha256").update(content).digest("hex");
      const git = createHash("sha1").update(`blob ${content.length}\0`).update(content);
      const lfs = { oid: sha256, size: content.length, pointerSize: 130 };
      return {
        type: "file",
        path,
        size: content.length,
        oid: git.digest("hex"),
        ...(large.includes(path) ? { lfs } : {}),
      };
    });
  }

  private sendFile(file: Buffer, request: IncomingMessage, response: ServerResponse): void {
    const fault = this.faults.shift();
    if (fault?.kind === "status") return json(response, { error: "later" }, fault.status);
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const isPart = request.headers.range !== undefined && fault?.kind !== "ignoreRange";
    const rest = isPart ? file.subarray(start) : file;
    const head = { "content-length": rest.length, etag: '"1"' };
    const range = { "content-range": `bytes ${start}-${file.length - 1}/${file.length}` };
    response.writeHead(isPart ? 206 : 200, isPart ? { ...head, ...range } : head);
    if (fault?.kind === "cut") {
      response.write(rest.subarray(0, fault.afterBytes));
      const goalBytes = start + fault.afterBytes;
      const timer = setInterval(() => {
        if (this.takenBytes() < goalBytes) return;
        clearInterval(timer);
        response.destroy();
      }, 2);
      response.once("close", () => clearInterval(timer));
    } else if (fault?.kind === "silence") {
      response.write(rest.subarray(0, fault.afterBytes));
    } else {
      response.end(fault?.kind === "spoil" ? Buffer.alloc(rest.length, 1) : rest);
    }
  }
}

function json(response: ServerResponse, body: unknown, status = 200): void {
  const code = status === 404 ? { "x-error-code": "RepoNotFound" } : {};
  response.writeHead(status, { "content-type": "application/json", ...code });
  response.end(JSON.stringify(body));
}
