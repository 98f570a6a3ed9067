// Tells drizzle-kit where a ledger database's tables are and where its migrations go.
import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: "./packages/db/src/schema/ledger/*.ts",
  out: "./migrations/ledger",
});
