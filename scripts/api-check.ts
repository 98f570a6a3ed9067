// Owns `npm run api:check` and `npm run api:fuzz`: a development server of its own, and against it the official Python
// package, or schemathesis driven by the OpenAPI document. Both come from PyPI into an ignored folder; neither is part of
// `npm test`, which needs no network. Ends with 1 when a check does not hold or an answer is a server error.
import { keyScopes } from "@fairlane/protocol";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = path.resolve(import.meta.dirname, "..");
const VENV = path.join(ROOT, ".cache/api-check");
const REQUIREMENTS = path.join(ROOT, "scripts/api-check/requirements.txt");
const READY_TIMEOUT_MS = 600_000;
/** Cases that schemathesis makes of each operation, and how long it waits for an answer: models answer at length. */
const EXAMPLES_MAX = 10;
const REQUEST_TIMEOUT_S = 600;

interface Ready {
  readonly edgeUrl: string;
  readonly apiKey: string;
  readonly adminToken: string;
}

async function run(command: string, args: readonly string[], env: object = {}): Promise<number> {
  const options = { stdio: "inherit", cwd: tmpdir(), env: { ...process.env, ...env } } as const;
  const child = spawn(command, args, options);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** Installs what is pinned, once. */
async function ensureVenv(): Promise<void> {
  if (existsSync(path.join(VENV, "bin/schemathesis"))) return;
  const steps = [
    ["python3", ["-m", "venv", VENV]],
    [path.join(VENV, "bin/pip"), ["install", "--quiet", "--requirement", REQUIREMENTS]],
  ] as const;
  for (const [command, args] of steps) {
    if ((await run(command, args)) !== 0) throw new Error(`${command} failed: see above`);
  }
}

async function startDev(stateDir: string): Promise<{ ready: Ready; child: ChildProcess }> {
  const readyFile = path.join(stateDir, "ready.json");
  const ports = ["--port", "0", "--hub-port", "0", "--node-port", "0"];
  const flags = [...ports, "--state-dir", stateDir, "--ready-file", readyFile];
  const dev = path.join(ROOT, "scripts/dev.ts");
  const child = spawn(process.execPath, [dev, ...flags], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const startedMs = Date.now();
  while (!existsSync(readyFile)) {
    if (child.exitCode !== null) throw new Error("the development server did not start");
    if (Date.now() - startedMs > READY_TIMEOUT_MS) throw new Error("it is not ready in time");
    await sleep(100);
  }
  return { ready: JSON.parse(await readFile(readyFile, "utf8")) as Ready, child };
}

async function post(
  url: string,
  credential: string,
  body: object,
): Promise<Record<string, string>> {
  const headers = { authorization: `Bearer ${credential}`, "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (response.ok) return (await response.json()) as Record<string, string>;
  throw new Error(`${url}: ${response.status} ${await response.text()}`);
}

/** A key of a tenant whose limits no fuzzing reaches. */
async function unlimitedKey({ edgeUrl, adminToken }: Ready): Promise<string> {
  const tenants = `${edgeUrl}/v1/fairlane/admin/tenants`;
  const limits = { requests_per_minute: 1_000_000, tokens_per_minute: 1_000_000_000 };
  const tenant = await post(tenants, adminToken, { name: "fuzz", ...limits });
  const scopes = keyScopes();
  const key = await post(`${tenants}/${tenant["id"]}/keys`, adminToken, { scopes });
  return key["key"] ?? "";
}

async function check({ edgeUrl, apiKey }: Ready): Promise<number> {
  const models = await fetch(`${edgeUrl}/v1/models`, { headers: { "x-api-key": apiKey } });
  const { data } = (await models.json()) as { readonly data: readonly { readonly id: string }[] };
  const env = { FAIRLANE_URL: edgeUrl, FAIRLANE_KEY: apiKey, FAIRLANE_MODEL: data[0]?.id ?? "" };
  const script = path.join(ROOT, "scripts/api-check/openai_python.py");
  return run(path.join(VENV, "bin/python"), [script], env);
}

async function fuzz(ready: Ready): Promise<number> {
  const flags = [
    ...["run", `${ready.edgeUrl}/openapi.json`, "--checks", "not_a_server_error"],
    ...["--max-examples", String(EXAMPLES_MAX), "--request-timeout", String(REQUEST_TIMEOUT_S)],
    ...["--continue-on-failure", "--suppress-health-check", "all"],
  ];
  const schemathesis = path.join(VENV, "bin/schemathesis");
  const as = (credential: string) => ["--header", `Authorization: Bearer ${credential}`];
  const key = await unlimitedKey(ready);
  const asTenant = [...flags, ...as(key), "--exclude-path-regex", "/admin/"];
  const asOperator = [...flags, ...as(ready.adminToken), "--include-path-regex", "/admin/"];
  const codes = [await run(schemathesis, asTenant), await run(schemathesis, asOperator)];
  return Math.max(...codes);
}

const wanted = process.argv[2];
if (wanted !== "check" && wanted !== "fuzz") throw new Error("say `check` or `fuzz`");
await ensureVenv();
const stateDir = await mkdtemp(path.join(tmpdir(), "fairlane-api-"));
const { ready, child } = await startDev(stateDir);
try {
  process.exitCode = await (wanted === "check" ? check : fuzz)(ready);
} finally {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
  await rm(stateDir, { recursive: true, force: true });
}
