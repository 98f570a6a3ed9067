// Shows what the flags and variables make of a node, and the sentence for each wrong one.
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { ConfigError, helpText, parseConfig } from "./config.ts";

const TOKEN = `fln1_node-a_${"0".repeat(52)}_${"0".repeat(26)}`;
const ENV = { HOME: "/home/x", XDG_STATE_HOME: "/state", XDG_CACHE_HOME: "/cache" };

describe("parseConfig", () => {
  it("has a default for everything", () => {
    expect(parseConfig([], ENV)).toEqual({
      model: undefined,
      host: "127.0.0.1",
      port: 8790,
      region: "local",
      hub: undefined,
      isa: "auto",
      numerics: "int8",
      attention: "auto",
      kvType: "f16",
      kernelsPath: undefined,
      printsKernels: false,
      threadCount: undefined,
      pinsThreads: false,
      kvMemoryBytes: undefined,
      pageCount: undefined,
      admission: "optimistic",
      fairness: { order: "vtc", cost: "linear", cachedPercent: 5 },
      adapters: {
        named: [],
        folder: undefined,
        elementType: "f16",
        cacheFolder: "/cache/fairlane/adapters",
        hostBytesMax: 268_435_456,
        distinctCountMax: 64,
        slackTokens: 4_096,
      },
      swapBytes: 2_147_483_648,
      swapFolder: tmpdir(),
      pooling: undefined,
      runningRequestsMax: 64,
      stepBudgetTokens: undefined,
      tbtTargetMs: 100,
      stepProfile: undefined,
      toolCallFormat: "auto",
      reasoningFormat: "auto",
      drainTimeoutMs: 20_000,
      readyFile: undefined,
      apiKey: undefined,
    });
  });

  it("takes flags before variables before defaults", () => {
    const env = { ...ENV, FAIRLANE_PORT: "1000", FAIRLANE_PAGE_COUNT: "77", FAIRLANE_THREADS: "" };
    const config = parseConfig(["--port", "0", "--max-running=5"], env);
    expect(config).toMatchObject({
      port: 0,
      pageCount: 77,
      runningRequestsMax: 5,
      threadCount: undefined,
    });
  });

  it("takes the pool's memory as a size, or auto, and not beside a page count", () => {
    const memory = (text: string) => parseConfig(["--kv-memory", text], ENV);
    expect(memory("2GiB")).toMatchObject({ kvMemoryBytes: 2_147_483_648, pageCount: undefined });
    expect(memory("auto")).toMatchObject({ kvMemoryBytes: undefined });
    const both = ["--kv-memory", "2GiB", "--page-count", "5"];
    expect(() => parseConfig(both, ENV)).toThrow("--kv-memory and --page-count both say");
  });

  it("takes adapters by name and folder, several times or in one list", () => {
    const named = (...args: string[]) => {
      const config = parseConfig(args, ENV);
      return config === "help" ? [] : config.adapters.named.map((one) => Object.values(one));
    };
    const [a, b] = [
      ["a", "/x"],
      ["b", "/y=z"],
    ];
    expect(named("--adapter", "a=/x", "--adapter", "b=/y=z")).toEqual([a, b]);
    expect(named("--adapter=a=/x, b=/y=z")).toEqual([a, b]);
    for (const wrong of ["a", "=/x", "a=", "a=/x,"]) {
      expect(() => named("--adapter", wrong)).toThrow("must be NAME=FOLDER");
    }
    const limits = ["--adapter-host-memory", "0", "--max-adapters-per-step", "3"];
    expect(
      parseConfig([...limits, "--adapter-dtype", "int8", "--adapter-dir", "/z"], ENV),
    ).toMatchObject({
      adapters: { hostBytesMax: 0, distinctCountMax: 3, elementType: "int8", folder: "/z" },
    });
  });

  it("takes the swap file's size, and makes it in the state folder where there is one", () => {
    const config = (...args: string[]) => parseConfig(args, ENV);
    expect(config("--swap-bytes", "0", "--state-dir", "/var/x")).toMatchObject({
      swapBytes: 0,
      swapFolder: "/var/x",
    });
    expect(() => config("--swap-bytes", "some")).toThrow("must be bytes such as 2GiB");
    const env = { ...ENV, FAIRLANE_NODE_TOKEN: TOKEN };
    expect(parseConfig(["--hub-url", "ws://127.0.0.1:8788"], env)).toMatchObject({
      swapFolder: "/state/fairlane/node-a",
    });
  });

  it("takes the node's name from its token", () => {
    const env = { ...ENV, FAIRLANE_NODE_TOKEN: TOKEN };
    expect(parseConfig(["--hub-url", "ws://127.0.0.1:8788"], env)).toMatchObject({
      hub: {
        url: "ws://127.0.0.1:8788",
        nodeName: "node-a",
        token: TOKEN,
        stateFolder: "/state/fairlane/node-a",
      },
    });
  });

  it.each<[string[], Record<string, string>, string]>([
    [
      ["--port", "70000"],
      {},
      "--port (or FAIRLANE_PORT) is '70000': must be an integer from 0 to 65535.",
    ],
    [
      ["--kv-memory", "lots"],
      {},
      "--kv-memory (or FAIRLANE_KV_MEMORY) is 'lots': must be auto, or bytes such as 2GiB, at most 16TiB.",
    ],
    [["--kv-memory", "17TiB"], {}, "must be auto, or bytes"],
    [
      ["--admission-order", "lifo"],
      {},
      "--admission-order (or FAIRLANE_ADMISSION_ORDER) is 'lifo'",
    ],
    [
      ["--fair-cached-percent", "101"],
      {},
      "--fair-cached-percent (or FAIRLANE_FAIR_CACHED_PERCENT)",
    ],
    [["--admission", "loose"], {}, "--admission (or FAIRLANE_ADMISSION) is 'loose'"],
    [[], { FAIRLANE_PORT: "x" }, "--port (or FAIRLANE_PORT) is 'x': must be an integer"],
    [["--threads", "0"], {}, "--threads (or FAIRLANE_THREADS) is '0': must be an integer from 1"],
    [["--page-count", "1.5"], {}, "must be an integer from 1 to 16777216"],
    [["--max-running", "-1"], {}, "--max-running"],
    [["--tbt-target-ms", "0"], {}, "must be an integer from 1 to 60000"],
    [["--isa", "sse9"], {}, "--isa (or FAIRLANE_ISA) is 'sse9'"],
    [["--numerics", "int4"], {}, "--numerics"],
    [["--hub-url", "http://x"], {}, "must be a ws:// or wss:// address"],
    [["--hub-url", "ws://x"], {}, "--hub-url needs a node token in FAIRLANE_NODE_TOKEN."],
    [["--hub-url", "ws://x"], { FAIRLANE_NODE_TOKEN: "fl1_a_b" }, "is not a node token"],
    [
      ["--hub-url", "ws://x", "--node-name", "other"],
      { FAIRLANE_NODE_TOKEN: TOKEN },
      "--node-name is 'other', but FAIRLANE_NODE_TOKEN was made for 'node-a'.",
    ],
    [["--node-name", "Not Good"], {}, "must be 1 to 32 characters of a-z, 0-9 and -"],
    [["--modell", "x"], {}, "Unknown option '--modell'"],
    [["model.gguf"], {}, "Unexpected argument 'model.gguf'"],
    [["--port"], {}, "--port"],
  ])("refuses %j with %j", (args, env, sentence) => {
    expect(() => parseConfig(args, { ...ENV, ...env })).toThrow(ConfigError);
    expect(() => parseConfig(args, { ...ENV, ...env })).toThrow(sentence);
  });

  it("never repeats the token in an error", () => {
    const env = { ...ENV, FAIRLANE_NODE_TOKEN: "fln1_UPPER_secretsecret" };
    let message = "";
    try {
      parseConfig(["--hub-url", "ws://x"], env);
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain("is not a node token");
    expect(message).not.toContain("secretsecret");
  });

  it("helps", () => {
    expect(parseConfig(["--help"], ENV)).toBe("help");
    expect(helpText()).toContain("--step-budget-tokens N");
  });
});
