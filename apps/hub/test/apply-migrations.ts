// Set-up of every test file of the hub: the ledger database gets its real migrations.
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";

await applyD1Migrations(env.LEDGER_DB, env.LEDGER_MIGRATIONS);
