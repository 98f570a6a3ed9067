// Owns `npm run db:generate`: writes the numbered migrations of both databases from their schemas. Without a
// change in a schema nothing is written. `-- --name NAME` names the new file.
import { spawnSync } from "node:child_process";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");
const CONFIGS = ["drizzle.control.config.ts", "drizzle.ledger.config.ts"];

for (const config of CONFIGS) {
  const args = ["generate", "--config", config, ...process.argv.slice(2)];
  const command = path.join(ROOT, "node_modules", ".bin", "drizzle-kit");
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
