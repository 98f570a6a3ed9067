// Types of what the vitest configuration binds for the edge's tests.
import type { D1Migration } from "@cloudflare/vitest-plugin";
import type { TenantAccountRpc } from "@fairlane/protocol";

declare global {
  namespace Cloudflare {
    interface Env {
      readonly CONTROL_DB: D1Database;
      readonly LEDGER_DB: D1Database;
      /** The accounts themselves, for tests that settle without a node. */
      readonly TENANT_ACCOUNT: DurableObjectNamespace<TenantAccountRpc & Rpc.DurableObjectBranded>;
      readonly ARTIFACTS: R2Bucket;
      readonly RETAINED: R2Bucket;
      readonly KEY_PEPPER: string;
      readonly CONTROL_MIGRATIONS: D1Migration[];
      readonly LEDGER_MIGRATIONS: D1Migration[];
      /** The hub script's own door, for tests that link a node. */
      readonly HUB: Fetcher;
    }
    interface GlobalProps {
      mainModule: typeof import("../src/index.ts");
    }
  }
}
