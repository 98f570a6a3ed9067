// Owns which ledger database holds a tenant's entries. The map is explicit, not a hash: adding a database must
// move nobody. Tenants that it does not name share the fallback, which is the only entry of a small deployment.

export interface LedgerMap<Ledger> {
  readonly fallback: Ledger;
  readonly byTenant: ReadonlyMap<string, Ledger>;
}

/** The ledger that holds the tenant's entries. */
export function ledgerOf<Ledger>(map: LedgerMap<Ledger>, tenantId: string): Ledger {
  return map.byTenant.get(tenantId) ?? map.fallback;
}
