// Set-up of every test file of the edge: files share one workerd, so all objects and databases are emptied first, then
// both databases get their real migrations.
import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";

const RESETS_MAX = 5;

async function isEmpty(db: D1Database): Promise<boolean> {
  const one = await db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'd1_migrations'").first();
  return one === null;
}

/** What the file before left running may open a database again while it is being deleted: then once more. */
async function emptyAll(): Promise<void> {
  for (let attempt = 0; attempt < RESETS_MAX; attempt++) {
    await reset();
    if ((await isEmpty(env.CONTROL_DB)) && (await isEmpty(env.LEDGER_DB))) return;
  }
  throw new Error("the databases of the file before this one could not be emptied");
}

await emptyAll();
await applyD1Migrations(env.CONTROL_DB, env.CONTROL_MIGRATIONS);
await applyD1Migrations(env.LEDGER_DB, env.LEDGER_MIGRATIONS);
