// Shows which of the kernel's figures bounds the free memory, in the form in which the files say it.
import { describe, expect, it } from "vitest";
import { freeMemoryBytes } from "./free-memory.ts";

const MIB = 1024 * 1024;
const MEMINFO = "MemTotal:       16384000 kB\nMemFree:  1 kB\nMemAvailable:    8388608 kB\n";

function freeMib(files: Record<string, string>): number | undefined {
  const bytes = freeMemoryBytes((path) => files[path]);
  return bytes === undefined ? undefined : bytes / MIB;
}

describe("freeMemoryBytes", () => {
  it("is what the kernel calls available where nothing limits the process", () => {
    expect(freeMib({ "/proc/meminfo": MEMINFO })).toBe(8_192);
    const cgroup = { "/proc/self/cgroup": "0::/user.slice\n", "/proc/meminfo": MEMINFO };
    const unlimited = {
      "/sys/fs/cgroup/user.slice/memory.max": "max\n",
      "/sys/fs/cgroup/user.slice/memory.current": "1000\n",
    };
    expect(freeMib({ ...cgroup, ...unlimited })).toBe(8_192);
  });

  it("takes the tightest limit of the group and those above it, less what is used", () => {
    const files = {
      "/proc/meminfo": MEMINFO,
      "/proc/self/cgroup": "0::/kube/pod/container\n",
      "/sys/fs/cgroup/kube/pod/container/memory.max": "max\n",
      "/sys/fs/cgroup/kube/pod/container/memory.current": `${100 * MIB}\n`,
      "/sys/fs/cgroup/kube/pod/memory.max": `${1_000 * MIB}\n`,
      "/sys/fs/cgroup/kube/pod/memory.high": `${900 * MIB}\n`,
      "/sys/fs/cgroup/kube/pod/memory.current": `${400 * MIB}\n`,
      "/sys/fs/cgroup/kube/memory.max": `${4_000 * MIB}\n`,
      "/sys/fs/cgroup/kube/memory.current": `${3_450 * MIB}\n`,
    };
    expect(freeMib(files)).toBe(500);
  });

  it("counts a group's idle file cache as free", () => {
    const files = {
      "/proc/meminfo": MEMINFO,
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": `${1_000 * MIB}\n`,
      "/sys/fs/cgroup/memory.current": `${900 * MIB}\n`,
      "/sys/fs/cgroup/memory.stat": `anon 5\ninactive_file ${300 * MIB}\ninactive_file_x 1\n`,
    };
    expect(freeMib(files)).toBe(400);
  });

  it("knows the first version of control groups, also where the path is of another namespace", () => {
    const files = {
      "/proc/meminfo": MEMINFO,
      "/proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": `${2_000 * MIB}\n`,
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": `${1_500 * MIB}\n`,
      "/sys/fs/cgroup/memory/memory.stat": `cache 1\ntotal_inactive_file ${200 * MIB}\n`,
    };
    expect(freeMib(files)).toBe(700);
  });

  it("is nothing, never less, above a limit, and unknown where the system does not say", () => {
    const files = {
      "/proc/meminfo": MEMINFO,
      "/proc/self/cgroup": "0::/a\n",
      "/sys/fs/cgroup/a/memory.max": "1000\n",
      "/sys/fs/cgroup/a/memory.current": "5000\n",
    };
    expect(freeMib(files)).toBe(0);
    expect(freeMib({})).toBeUndefined();
  });

  it("reads this machine's own", () => {
    if (process.platform !== "linux") return expect(freeMemoryBytes()).toBeUndefined();
    const bytes = freeMemoryBytes();
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(2 ** 50);
  });
});
