// Owns the file in which a measured step profile is kept between starts. How it is measured is scheduler/profile.ts's.
import { readFile, writeFile } from "node:fs/promises";
import { z } from "zod";

const coefficient = z.number();

const stepProfileFile = z.object({
  version: z.literal(1),
  /** The engine that was measured; another one's steps take other times. */
  numericsClass: z.string().min(1),
  threadCount: z.int().min(1),
  model: z.object({
    floorUs: coefficient,
    baseUs: coefficient,
    tokenUs: coefficient,
    kneeTokens: coefficient,
    kneeUs: coefficient,
    decodeUs: coefficient,
    contextUs: coefficient,
    pairUs: coefficient,
  }),
  errorPct: z.number().min(0),
  samples: z
    .array(
      z.object({
        tokens: z.int(),
        decodes: z.int(),
        decodeContextTokens: z.int(),
        chunkPairs: z.number(),
        us: z.number(),
      }),
    )
    .readonly(),
});

export type StepProfileFile = z.infer<typeof stepProfileFile>;

/** Reads a profile; throws with a sentence for the operator when the file is none. */
export async function readStepProfile(path: string): Promise<StepProfileFile> {
  const parsed = stepProfileFile.safeParse(await parseFile(path));
  if (parsed.success) return parsed.data;
  throw new Error(`${path} is no step profile: ${z.prettifyError(parsed.error)}`);
}

/** Writes a profile for later starts. */
export function writeStepProfile(path: string, profile: StepProfileFile): Promise<void> {
  return writeFile(path, `${JSON.stringify(profile, null, 2)}\n`);
}

async function parseFile(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The step profile ${path} cannot be read: ${why}`, { cause });
  }
}
