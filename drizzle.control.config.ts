// Tells drizzle-kit where the control database's tables are and where its migrations go.
import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: "./packages/db/src/schema/control/*.ts",
  out: "./migrations/control",
});
