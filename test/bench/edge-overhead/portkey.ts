// Owns the peer of the bench: Portkey's gateway from npm, with the versions of its own lock file, on this Node.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BENCH_FOLDER } from "../peer/peer-files.ts";
import type { Side } from "./http-load.ts";

export const PORTKEY_VERSION = "1.15.2";
export const PORTKEY_FOLDER = path.join(BENCH_FOLDER, "portkey");
const SERVER = path.join(PORTKEY_FOLDER, "node_modules/@portkey-ai/gateway/build/start-server.js");
const READY_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

/** Its manifest: a plain install takes newer versions of two packages, with which every stream of it fails. */
export const PORTKEY_MANIFEST = {
  private: true,
  dependencies: { "@portkey-ai/gateway": PORTKEY_VERSION },
  overrides: { hono: "4.9.7", "@hono/node-server": "1.13.5" },
};

export interface RunningPortkey {
  readonly side: Side;
  stop(): Promise<void>;
}

/** Throws, and names what is missing, where bench:setup has not installed it. */
export function requirePortkey(): void {
  if (existsSync(SERVER)) return;
  throw new Error(`Portkey's gateway ${PORTKEY_VERSION} is missing: run npm run bench:setup`);
}

/** Starts the gateway in front of the mock node. */
export async function startPortkey(mockUrl: string): Promise<RunningPortkey> {
  const port = await freePort();
  const child = spawn(process.execPath, [SERVER, `--port=${port}`, "--headless"], {
    stdio: "ignore",
    env: { ...process.env, NODE_ENV: "production" },
  });
  const origin = `http://127.0.0.1:${port}`;
  const headers = {
    authorization: "Bearer any",
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": `${mockUrl}/v1`,
  };
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  try {
    await answers(origin);
  } catch (error) {
    await stop();
    throw error;
  }
  return { side: { name: "portkey", origin, headersOf: () => headers }, stop };
}

async function answers(origin: string): Promise<void> {
  const untilMs = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < untilMs) {
    const response = await fetch(origin).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.ok) return;
    await sleep(POLL_MS);
  }
  throw new Error(`Portkey's gateway did not answer within ${READY_TIMEOUT_MS} ms`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  server.close();
  await once(server, "close");
  return address.port;
}
