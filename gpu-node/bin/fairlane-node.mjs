#!/usr/bin/env node
// Owns the command's entry on whatever Node runs it: TypeScript without a build step needs Node 22.18 or later, so an
// older one hands over to the Node of this workspace, and says what is missing when there is none.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const MAIN = new URL("../src/main.ts", import.meta.url);
const WORKSPACE_NODE = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  await import(MAIN.href);
} else if (existsSync(WORKSPACE_NODE)) {
  handOver();
} else {
  process.stderr.write(
    `fairlane-node needs Node 22.18 or later, this is ${process.versions.node}: run npm install in the workspace, ` +
      "which brings a Node of its own.\n",
  );
  process.exitCode = 1;
}

/** Runs the node in a child and ends as it ends; signals are passed on, and the channel tells it if this process dies. */
function handOver() {
  const args = [fileURLToPath(MAIN), ...process.argv.slice(2)];
  const child = spawn(WORKSPACE_NODE, args, { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`fairlane-node: ${WORKSPACE_NODE} cannot be run: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal ?? "SIGTERM"] ?? 0));
  });
}
