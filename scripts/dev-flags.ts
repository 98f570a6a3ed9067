// Owns the flags of `npm run dev`: each with its default and the sentence for a wrong value.
import { parseArgs } from "node:util";

export interface DevFlags {
  readonly edgePort: number;
  readonly hubPort: number;
  readonly nodePort: number;
  readonly regionCount: number;
  /** Over all regions. */
  readonly nodeCount: number;
  readonly shardCount: number;
  readonly model: string | undefined;
  readonly readyFile: string | undefined;
  readonly stateDir: string | undefined;
}

export const DEV_HELP = `npm run dev -- [flags]
  --port N            edge (default 8787), 0 = any free port
  --hub-port N        hub, which nodes dial (default 8788)
  --node-port N       the first node's own HTTP (default 8790); further nodes take any free port
  --regions N         regions, each with an edge of its own (default 1); further edges take any free port
  --nodes N           nodes, dealt out over the regions (default: one in each)
  --shards N          shards of each region's hub (default 1)
  --model MODEL       GGUF file, Hugging Face folder or hub id (default SmolLM2-135M-Instruct)
  --state-dir FOLDER  secrets, databases and journal (default .fairlane)
  --ready-file FILE   write URLs, key and admin token there as JSON once everything answers
`;

const PORT_MAX = 65_535;
/** What one machine may be asked to start: each region is a Worker, each node a process with the model in memory. */
const REGIONS_MAX = 8;
const NODES_MAX = 16;
const SHARDS_MAX = 16;

function port(name: string, text: string): number {
  const value = Number(text);
  if (/^\d{1,5}$/.test(text) && value <= PORT_MAX) return value;
  throw new Error(`--${name} is '${text}': it must be a port from 0 to ${PORT_MAX}.`);
}

function count(name: string, text: string, atMost: number): number {
  const value = Number(text);
  if (/^\d{1,3}$/.test(text) && value >= 1 && value <= atMost) return value;
  throw new Error(`--${name} is '${text}': it must be a number from 1 to ${atMost}.`);
}

/** Parses the flags; throws an Error whose message is for the person at the terminal. */
export function parseDevFlags(args: readonly string[]): DevFlags | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      port: { type: "string", default: "8787" },
      "hub-port": { type: "string", default: "8788" },
      "node-port": { type: "string", default: "8790" },
      regions: { type: "string", default: "1" },
      nodes: { type: "string" },
      shards: { type: "string", default: "1" },
      model: { type: "string" },
      "state-dir": { type: "string" },
      "ready-file": { type: "string" },
    },
  });
  if (values.help === true) return "help";
  const regionCount = count("regions", values.regions, REGIONS_MAX);
  const nodeCount = count("nodes", values.nodes ?? String(regionCount), NODES_MAX);
  if (nodeCount < regionCount) {
    throw new Error(`--nodes is ${nodeCount}: each of the ${regionCount} regions needs one.`);
  }
  return {
    regionCount,
    nodeCount,
    shardCount: count("shards", values.shards, SHARDS_MAX),
    edgePort: port("port", values.port),
    hubPort: port("hub-port", values["hub-port"]),
    nodePort: port("node-port", values["node-port"]),
    model: values.model,
    readyFile: values["ready-file"],
    stateDir: values["state-dir"],
  };
}
