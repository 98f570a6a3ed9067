// Owns the view of Linux's process table that dev needs: descendants of a process, whether a recorded process still
// is the same one, and who listens on a port. Reads /proc; on other systems the lists are empty.
import { readdir, readFile, readlink } from "node:fs/promises";

/** A process as it is told apart from a later one with the same pid. */
export interface ProcessMark {
  readonly pid: number;
  /** Start time in clock ticks since boot. */
  readonly startTicks: number;
}

interface Stat extends ProcessMark {
  readonly parentPid: number;
  readonly name: string;
  /** One letter, as ps prints it. */
  readonly state: string;
}

async function readStat(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name stands in parentheses and may hold spaces: fields count from the last one.
  const nameEnd = text.lastIndexOf(")");
  if (nameEnd < 0) return undefined;
  const fields = text.slice(nameEnd + 2).split(" ");
  const name = text.slice(text.indexOf("(") + 1, nameEnd);
  return {
    pid,
    name,
    state: fields[0] ?? "",
    parentPid: Number(fields[1]),
    startTicks: Number(fields[19]),
  };
}

async function processIds(): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Every living descendant of `rootPid`, children before grandchildren. */
export async function descendantsOf(rootPid: number): Promise<ProcessMark[]> {
  const stats = (await Promise.all((await processIds()).map(readStat))).filter(
    (stat) => stat !== undefined,
  );
  const found: Stat[] = [];
  let parents = new Set([rootPid]);
  while (parents.size > 0) {
    const children = stats.filter((stat) => parents.has(stat.parentPid));
    found.push(...children);
    parents = new Set(children.map((child) => child.pid));
  }
  return found.map(({ pid, startTicks }) => ({ pid, startTicks }));
}

/** The mark of a living process. */
export async function markOf(pid: number): Promise<ProcessMark | undefined> {
  const stat = await readStat(pid);
  return stat && { pid, startTicks: stat.startTicks };
}

/** True while the marked process itself lives; a zombie has ended. */
export async function isAlive(mark: ProcessMark): Promise<boolean> {
  const stat = await readStat(mark.pid);
  return stat?.startTicks === mark.startTicks && stat.state !== "Z";
}

/** Sends `signal` to the process if it still is the marked one; true when it was. */
export async function signalMarked(mark: ProcessMark, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(mark))) return false;
  try {
    process.kill(mark.pid, signal);
    return true;
  } catch {
    return false;
  }
}

const LISTENING = "0A";

async function listeningInode(port: number): Promise<string | undefined> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const lines = (await readFile(table, "utf8").catch(() => "")).split("\n").slice(1);
    for (const line of lines) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(suffix) === true && fields[3] === LISTENING) return fields[9];
    }
  }
  return undefined;
}

/** Names the process that listens on the port, as far as /proc shows it. */
export async function portHolder(port: number): Promise<string> {
  const inode = await listeningInode(port);
  if (inode === undefined) return "another process";
  for (const pid of await processIds()) {
    const names = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const name of names) {
      const target = await readlink(`/proc/${pid}/fd/${name}`).catch(() => "");
      if (target !== `socket:[${inode}]`) continue;
      const stat = await readStat(pid);
      return `process ${pid} (${stat?.name ?? "unknown"})`;
    }
  }
  return "another process";
}
