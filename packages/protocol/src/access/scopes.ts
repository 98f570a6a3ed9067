// Owns the one table of what a caller may be allowed to do. A route names one scope; a key holds some of them.
// TenantAccount holds callers to it.

interface ScopeSpec {
  /** What it opens, for people. */
  readonly opens: string;
}

/** Every scope. */
const SCOPES = {
  inference: { opens: "run models and list them" },
  files: { opens: "upload, read and delete files" },
  batches: { opens: "start, read and cancel batches" },
  "usage:read": { opens: "read usage, cost and fair share" },
  "adapters:read": { opens: "list adapters" },
  "adapters:manage": { opens: "upload, grant, pin and delete adapters" },
  "keys:read": { opens: "list keys, without their secrets" },
  "keys:manage": { opens: "make, change, rotate and revoke keys" },
  "audit:read": { opens: "read the audit log" },
} as const satisfies Record<string, ScopeSpec>;

export type Scope = keyof typeof SCOPES;

const specs: Readonly<Record<Scope, ScopeSpec>> = SCOPES;

/** The public facts of a scope. */
export function scopeSpec(scope: Scope): ScopeSpec {
  return specs[scope];
}

/** All scopes in the table's order. */
export function scopeNames(): readonly Scope[] {
  return Object.keys(SCOPES) as Scope[];
}
