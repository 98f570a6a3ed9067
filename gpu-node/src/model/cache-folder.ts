// Owns where the node keeps what it may fetch or compute again: models and their digests. Nothing in the folder
// is ever the only copy of anything.
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** `$FAIRLANE_CACHE_DIR`, else `fairlane` in `$XDG_CACHE_HOME`, else in `~/.cache`. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const own = env["FAIRLANE_CACHE_DIR"];
  if (own) return resolve(own);
  const xdg = env["XDG_CACHE_HOME"];
  return join(xdg ? resolve(xdg) : join(homedir(), ".cache"), "fairlane");
}
