// Owns the flags of `npm run dev`: each with its default and the sentence for a wrong value.
import { parseArgs } from "node:util";

export interface DevFlags {
  readonly edgePort: number;
  readonly hubPort: number;
  readonly nodePort: number;
  readonly model: string | undefined;
  readonly readyFile: string | undefined;
  readonly stateDir: string | undefined;
}

export const DEV_HELP = `npm run dev -- [flags]
  --port N            edge (default 8787), 0 = any free port
  --hub-port N        hub, which nodes dial (default 8788)
  --node-port N       the node's own HTTP (default 8790)
  --model MODEL       GGUF file, Hugging Face folder or hub id (default SmolLM2-135M-Instruct)
  --state-dir FOLDER  secrets, databases and journal (default .fairlane)
  --ready-file FILE   write URLs, key and admin token there as JSON once everything answers
`;

const PORT_MAX = 65_535;

function port(name: string, text: string): number {
  const value = Number(text);
  if (/^\d{1,5}$/.test(text) && value <= PORT_MAX) return value;
  throw new Error(`--${name} is '${text}': it must be a port from 0 to ${PORT_MAX}.`);
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
      model: { type: "string" },
      "state-dir": { type: "string" },
      "ready-file": { type: "string" },
    },
  });
  if (values.help === true) return "help";
  return {
    edgePort: port("port", values.port),
    hubPort: port("hub-port", values["hub-port"]),
    nodePort: port("node-port", values["node-port"]),
    model: values.model,
    readyFile: values["ready-file"],
    stateDir: values["state-dir"],
  };
}
