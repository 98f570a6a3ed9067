// Owns the one way in which tests ask for the default model: its path when it is there, a loud skip when it is not,
// a failure when it is not there in CI. Fetching it is `npm run dev`'s and `npm test`'s part.
import { statSync } from "node:fs";

/** Where the model should be and how large it is; gpu-node/src/model/default-model.ts says both. */
export interface WantedModel {
  readonly path: string;
  readonly fileBytes: number;
}

/** What surrounds a test run; the process itself outside of this helper's own tests. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly warn: (line: string) => void;
}

const PROCESS: Surroundings = {
  env: process.env,
  warn: (line) => process.stderr.write(line),
};

/**
 * The model's path, or undefined after a line on the error output: pass the outcome to describe.skipIf.
 * Throws in CI, where a skipped test would hide that nothing was checked.
 * @param tests what is skipped, for the line
 */
export function requireDefaultModel(
  wanted: WantedModel,
  tests: string,
  surroundings: Surroundings = PROCESS,
): string | undefined {
  const fileStat = statSync(wanted.path, { throwIfNoEntry: false });
  if (fileStat?.isFile() === true && fileStat.size === wanted.fileBytes) return wanted.path;
  const state = fileStat ? `has ${fileStat.size} of ${wanted.fileBytes} bytes` : "is not there";
  const reason = `the default model ${state} (${wanted.path}); \`npm test\` fetches it`;
  if (surroundings.env["CI"]) throw new Error(`${tests} cannot run: ${reason}`);
  surroundings.warn(`SKIPPED ${tests}: ${reason}\n`);
  return undefined;
}
