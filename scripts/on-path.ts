// Owns the question whether a program can be started by its name.
import { accessSync, constants } from "node:fs";
import path from "node:path";

/** True when an executable of this name lies in a folder of PATH. */
export function onPath(name: string): boolean {
  return (process.env["PATH"] ?? "").split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
