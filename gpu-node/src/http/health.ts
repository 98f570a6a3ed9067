// Owns liveness and readiness. /health says whether the process is of any use (an orchestrator restarts it when not);
// /ready says whether it takes work now, and why not.
import type { Readiness } from "../fleet/readiness.ts";
import { sendJson, type Exchange } from "./exchange.ts";

/** 200 unless the engine failed: only a new process can help then. */
export function health(exchange: Exchange, readiness: Readiness): void {
  const isFailed = readiness.phase === "failed";
  sendJson(exchange, isFailed ? 503 : 200, { status: isFailed ? "failed" : "ok" });
}

/** 200 when requests are taken, else 503 with the reason. */
export function ready(exchange: Exchange, readiness: Readiness): void {
  const { notReady } = readiness;
  if (!notReady) return sendJson(exchange, 200, { status: "ready" });
  sendJson(exchange, 503, { status: "not_ready", ...notReady });
}
