export { createApiKey, findApiKey, markApiKeyRevoked } from "./api-keys.ts";
export type { ApiKey } from "./api-keys.ts";
export { openControlDb, openLedgerDb } from "./client.ts";
export type { ControlDb, LedgerDb } from "./client.ts";
export { ledgerOf } from "./ledger-map.ts";
export type { LedgerMap } from "./ledger-map.ts";
export { currentPrices } from "./prices.ts";
export { createTenant, findDefaultProject, findProject, findTenant } from "./tenants.ts";
export type { Project, Tenant } from "./tenants.ts";
