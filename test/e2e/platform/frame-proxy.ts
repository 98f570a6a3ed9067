// Owns a WebSocket proxy between node and hub, the network that an end-to-end test controls: it records every frame
// with its direction and can hold frames back, and hands on what nodes fetch. Neither end knows of it.
import { createServer, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";

export interface SeenFrame {
  readonly from: "node" | "hub";
  readonly type: string;
  readonly frame: Readonly<Record<string, unknown>>;
  readonly atMs: number;
}

export interface FrameProxy {
  /** What the node dials instead of the hub. */
  readonly url: string;
  /** All frames so far, oldest first, dropped ones included. */
  readonly seen: readonly SeenFrame[];
  /** Frames for which this answers true vanish. */
  dropWhere(matches: ((frame: SeenFrame) => boolean) | undefined): void;
  /** Cuts every link, as a network does: neither end says goodbye. */
  cut(): void;
  /** Answers once a frame (past or future) matches. */
  waitFor(matches: (frame: SeenFrame) => boolean): Promise<SeenFrame>;
  stop(): Promise<void>;
}

const WAIT_TIMEOUT_MS = 60_000;

type Frame = SeenFrame["frame"];

/** The message without the frames that must vanish; undefined when none is left. A message of a node may hold several. */
function passed(recorder: Recorder, from: SeenFrame["from"], text: string): string | undefined {
  const message = JSON.parse(text) as Frame | readonly Frame[];
  const isBatch = Array.isArray(message);
  const frames = (isBatch ? message : [message]) as readonly Frame[];
  const left = frames.filter((frame) =>
    recorder.record({ from, type: String(frame["type"]), frame, atMs: Date.now() }),
  );
  if (left.length === frames.length) return text;
  return left.length === 0 ? undefined : JSON.stringify(left);
}

interface Watcher {
  readonly matches: (frame: SeenFrame) => boolean;
  readonly resolve: (frame: SeenFrame) => void;
}

class Recorder {
  readonly seen: SeenFrame[] = [];
  #drop: ((frame: SeenFrame) => boolean) | undefined;
  readonly #watchers = new Set<Watcher>();

  set drop(matches: ((frame: SeenFrame) => boolean) | undefined) {
    this.#drop = matches;
  }

  /** Records the frame; false when it must vanish. */
  record(seen: SeenFrame): boolean {
    this.seen.push(seen);
    const passes = this.#drop?.(seen) !== true;
    for (const watcher of this.#watchers) {
      if (!watcher.matches(seen)) continue;
      this.#watchers.delete(watcher);
      watcher.resolve(seen);
    }
    return passes;
  }

  waitFor(matches: (frame: SeenFrame) => boolean): Promise<SeenFrame> {
    const past = this.seen.find(matches);
    if (past) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      const fail = () => reject(new Error("no matching frame passed the proxy in time"));
      const timer = setTimeout(fail, WAIT_TIMEOUT_MS);
      const settle = (frame: SeenFrame) => {
        clearTimeout(timer);
        resolve(frame);
      };
      this.#watchers.add({ matches, resolve: settle });
    });
  }
}

function joinLinks(recorder: Recorder, node: WebSocket, hub: WebSocket): void {
  const waiting: string[] = [];
  hub.on("open", () => waiting.splice(0).forEach((text) => hub.send(text)));
  node.on("message", (data: Buffer) => {
    const text = passed(recorder, "node", data.toString("utf8"));
    if (text === undefined) return;
    if (hub.readyState === WebSocket.OPEN) hub.send(text);
    else waiting.push(text);
  });
  hub.on("message", (data: Buffer) => {
    const text = passed(recorder, "hub", data.toString("utf8"));
    if (text !== undefined) node.send(text);
  });
  node.on("close", () => hub.terminate());
  hub.on("close", () => node.terminate());
  for (const socket of [node, hub]) socket.on("error", () => socket.terminate());
}

/** Starts a proxy in front of the hub at `hubUrl` (http://...). */
export async function startFrameProxy(hubUrl: string): Promise<FrameProxy> {
  const recorder = new Recorder();
  // What nodes fetch goes to the hub as it is.
  const server = createServer((request, response) => {
    const { authorization = "", range } = request.headers;
    const headers = { authorization, ...(range === undefined ? {} : { range }) };
    fetch(`${hubUrl}${request.url ?? ""}`, { headers }).then(
      async (answer) => {
        response.writeHead(answer.status);
        response.end(new Uint8Array(await answer.arrayBuffer()));
      },
      () => response.destroy(),
    );
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on("connection", (node: WebSocket, request: IncomingMessage) => {
    const authorization = request.headers.authorization ?? "";
    const address = `${hubUrl.replace(/^http/, "ws")}${request.url ?? ""}`;
    const options = { headers: { authorization }, perMessageDeflate: false };
    joinLinks(recorder, node, new WebSocket(address, options));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}`,
    seen: recorder.seen,
    dropWhere: (matches) => (recorder.drop = matches),
    waitFor: (matches) => recorder.waitFor(matches),
    cut() {
      for (const socket of sockets.clients) socket.terminate();
    },
    async stop() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      server.close();
      await once(server, "close");
    },
  };
}
