// Owns how much memory this process can still get: what the kernel calls available, or less where a control group of the
// process or one above it has a limit. What a group's file cache holds counts as free, since the kernel gives it up.
// Invariant: a file that is missing or says nothing limits nothing.
import { readFileSync } from "node:fs";

/** Text of a file; undefined when it cannot be read. */
export type ReadText = (path: string) => string | undefined;

/** Where the two versions of control groups say what. */
const VERSIONS = [
  {
    mount: "/sys/fs/cgroup",
    isLine: (controllers: string) => controllers === "",
    limits: ["memory.max", "memory.high"],
    usage: "memory.current",
    reclaimable: "inactive_file",
  },
  {
    mount: "/sys/fs/cgroup/memory",
    isLine: (controllers: string) => controllers.split(",").includes("memory"),
    limits: ["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
  },
] as const;

type Version = (typeof VERSIONS)[number];

/** Bytes that can still be allocated without swapping; undefined where the system does not say. */
export function freeMemoryBytes(readText: ReadText = readSystemFile): number | undefined {
  const available = fieldOf(readText("/proc/meminfo"), "MemAvailable:");
  if (available === undefined) return undefined;
  let bytes = available * 1024;
  const lines = readText("/proc/self/cgroup")?.split("\n") ?? [];
  for (const version of VERSIONS) {
    for (const folder of groupFolders(version, lines)) {
      bytes = Math.min(bytes, leftInGroup(version, folder, readText));
    }
  }
  return Math.max(0, bytes);
}

/** The folders of the process's group and of those above it, the mount itself last. */
function groupFolders(version: Version, lines: readonly string[]): string[] {
  // hierarchy:controllers:path
  const paths = lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    return controllers !== undefined && version.isLine(controllers) ? [path ?? "/"] : [];
  });
  return paths.flatMap((path) => {
    const parts = path.split("/").filter((part) => part !== "");
    return parts
      .map((_, index) => `${version.mount}/${parts.slice(0, parts.length - index).join("/")}`)
      .concat(version.mount);
  });
}

function leftInGroup(version: Version, folder: string, readText: ReadText): number {
  const usage = Number(readText(`${folder}/${version.usage}`) ?? NaN);
  if (Number.isNaN(usage)) return Infinity;
  const cached = fieldOf(readText(`${folder}/memory.stat`), version.reclaimable) ?? 0;
  // "max" is no number: it limits nothing.
  const limits = version.limits
    .map((name) => Number(readText(`${folder}/${name}`) ?? NaN))
    .filter((limit) => !Number.isNaN(limit));
  return Math.min(Infinity, ...limits) - usage + Math.min(cached, usage);
}

/** The number after a name at the beginning of a line. */
function fieldOf(text: string | undefined, name: string): number | undefined {
  const words = text?.split("\n").map((line) => line.split(/\s+/));
  const value = Number(words?.find(([first]) => first === name)?.[1] ?? NaN);
  return Number.isNaN(value) ? undefined : value;
}

function readSystemFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
