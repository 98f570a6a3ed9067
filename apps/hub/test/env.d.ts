// Types of what the vitest configuration binds for the hub's tests.
import type { D1Migration } from "@cloudflare/vitest-plugin";
import type { HubEnv } from "../src/env.ts";

declare global {
  namespace Cloudflare {
    interface Env extends HubEnv {
      readonly CONTROL_MIGRATIONS: D1Migration[];
      readonly LEDGER_MIGRATIONS: D1Migration[];
    }
    interface GlobalProps {
      mainModule: typeof import("../src/index.ts");
      durableNamespaces: "RegionHub" | "UsageIntake" | "TenantAccount" | "BatchRun";
    }
  }
}
