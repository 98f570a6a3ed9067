// Owns moving a finished download to its final place: on disk first, then renamed in one step, so that a final
// name never stands for a part of a file, whoever else writes there.
import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Moves `temporary`, which must be on the same file system, to `target`, replacing what is there. */
export async function placeFile(temporary: string, target: string): Promise<void> {
  const handle = await open(temporary, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await mkdir(dirname(target), { recursive: true });
  await rename(temporary, target);
}
