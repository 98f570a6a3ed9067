// Owns the way from a bare machine to Node 24: checks what must be there (one clear sentence each), installs the
// npm packages when the lock file is newer than the last install, and hands over to the given TypeScript file under
// the Node that the packages bring. Plain JavaScript for Node 20 and no imports beyond it: it runs before any install.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { constants } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const STAMP = join(ROOT, "node_modules", ".fairlane-install");
const NODE_MAJOR_MIN = 20;
const NODE_MAJOR_FULL = 22;

/** Ends the start with one sentence for the person at the terminal. */
function stop(sentence) {
  process.stderr.write(`fairlane: ${sentence}\n`);
  process.exit(1);
}

function works(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

/** The compiler that CMake would take, when it knows C++20. */
function hasCompiler() {
  const names = process.env.CXX ? [process.env.CXX] : ["c++", "g++", "clang++"];
  return names.some((name) => {
    const probe = { input: "int main() {}", stdio: ["pipe", "ignore", "ignore"] };
    return spawnSync(name, ["-std=c++20", "-x", "c++", "-fsyntax-only", "-"], probe).status === 0;
  });
}

function checkMachine() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < NODE_MAJOR_MIN) {
    stop(`Node ${process.versions.node} is too old: install Node ${NODE_MAJOR_MIN} or newer.`);
  }
  if (!hasCompiler()) {
    stop("no C++20 compiler was found: install g++ 11 or newer (Debian, Ubuntu: apt install g++).");
  }
  if (!works("cmake", ["--version"])) {
    stop("cmake was not found: install cmake 3.20 or newer (Debian, Ubuntu: apt install cmake).");
  }
  if (!works("python3", ["--version"])) {
    stop("python3 was not found: install it (Debian, Ubuntu: apt install python3 python3-pip).");
  }
}

function lockHash() {
  const hash = createHash("sha256");
  for (const name of ["package.json", "package-lock.json"])
    hash.update(readFileSync(join(ROOT, name)));
  return hash.digest("hex");
}

function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, "utf8") === lockHash();
}

// `npm run -s` would silence the npm below it as well, and its errors are read here.
const SPEAK = "--loglevel=error";
const NETWORK_CODES = [
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ETIMEDOUT",
  "ECONNRESET",
  "ENETUNREACH",
];

/** Ends the start when `stderr` of npm says that the network is the reason. */
function stopIfOffline(stderr) {
  const code = NETWORK_CODES.find((name) => stderr.includes(name));
  if (code) stop(`the npm registry cannot be reached (${code}): check the network and try again.`);
}

/** One question before the many of an install, which retries each of them for minutes where there is no network. */
function requireRegistry() {
  const limits = ["--fetch-retries=0", "--fetch-timeout=20000"];
  const args = ["view", "zod", "version", SPEAK, ...limits];
  const { stderr } = spawnSync("npm", args, { cwd: ROOT, encoding: "utf8" });
  stopIfOffline(stderr ?? "");
}

function install() {
  requireRegistry();
  rmSync(STAMP, { force: true });
  process.stderr.write("fairlane: installing npm packages (about half a minute)\n");
  // Not `npm ci`: it refuses a lock that was made without the packages of other systems.
  const args = ["install", "--no-audit", "--no-fund", SPEAK];
  const result = spawnSync("npm", args, {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "inherit", "pipe"],
  });
  if (result.error) stop(`npm could not be started: ${result.error.message}.`);
  if (result.status !== 0) {
    stopIfOffline(result.stderr);
    process.stderr.write(result.stderr);
    stop("npm install failed; the lines above say why.");
  }
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, lockHash());
}

/** The Node that runs everything: the one from the packages, or this one where there is none and it will do. */
function nodePath() {
  const brought = join(ROOT, "node_modules", ".bin", "node");
  if (existsSync(brought)) return brought;
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= NODE_MAJOR_FULL) return process.execPath;
  return stop(
    `the packages bring no Node for ${process.platform}-${process.arch}: install Node ${NODE_MAJOR_FULL}.18 or newer.`,
  );
}

function handOver(node, args) {
  const binFolder = join(ROOT, "node_modules", ".bin");
  const env = { ...process.env, PATH: `${binFolder}:${process.env.PATH ?? ""}` };
  const child = spawn(node, args, { cwd: ROOT, env, stdio: "inherit" });
  // A terminal's Ctrl-C reaches the child by itself; a signal to this process alone is passed on.
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  process.on("SIGINT", () => {
    if (!process.stdin.isTTY) child.kill("SIGINT");
  });
  child.on("error", (error) => stop(`Node could not be started: ${error.message}.`));
  child.on("exit", (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal ?? "SIGKILL"] ?? 0));
  });
}

const [script, ...rest] = process.argv.slice(2);
if (!script) stop("usage: node scripts/bootstrap.mjs SCRIPT [ARGUMENT...]");
checkMachine();
if (!isInstalled()) install();
handOver(nodePath(), [join(ROOT, script), ...rest]);
