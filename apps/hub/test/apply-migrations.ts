// Set-up of every test file of the hub: both databases get their real migrations.
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";

await applyD1Migrations(env.CONTROL_DB, env.CONTROL_MIGRATIONS);
await applyD1Migrations(env.LEDGER_DB, env.LEDGER_MIGRATIONS);
