// Owns the names by which processes mark temporary files as theirs, so that what a killed process left can be told
// from what a living one still writes.
import { createHash } from "node:crypto";
import { hostname } from "node:os";

/** A name for this process: machine and process id. */
export function ownerTag(): string {
  return `${machine()}-${process.pid}`;
}

/** True when the owner, whose tag `name` begins with, certainly runs no more. */
export function isOwnerGone(name: string): boolean {
  const [ownerMachine, pid] = name.split("-");
  // Whether a process of another machine (or container) lives cannot be known here.
  if (ownerMachine !== machine() || !/^\d+$/.test(pid ?? "")) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown && thrown.code === "ESRCH";
  }
}

function machine(): string {
  return createHash("sha256").update(hostname()).digest("hex").slice(0, 12);
}
