// Owns the one table of who may do what: each scope, whether a key can hold it, and the roles that have it. A route
// names one scope; TenantAccount holds callers to it. No role computes: what computes is charged to a key.

export const ROLES = ["owner", "admin", "member", "viewer"] as const;

/** What a member of a tenant is. */
export type Role = (typeof ROLES)[number];

interface ScopeSpec {
  /** What it opens, for people. */
  readonly opens: string;
  /** False for what no key can hold: a key would outlive the member who made it. */
  readonly isForKeys: boolean;
  readonly roles: readonly Role[];
}

const MANAGERS = ["owner", "admin"] as const;

/** Every scope. */
const SCOPES = {
  inference: { opens: "run models and list them", isForKeys: true, roles: [] },
  files: { opens: "upload, read and delete files", isForKeys: true, roles: [] },
  batches: { opens: "start, read and cancel batches", isForKeys: true, roles: [] },
  "usage:read": { opens: "read usage, cost and fair share", isForKeys: true, roles: ROLES },
  "invoices:read": { opens: "read invoices", isForKeys: true, roles: MANAGERS },
  "budgets:manage": {
    opens: "set own budgets, and where their alerts go",
    isForKeys: true,
    roles: MANAGERS,
  },
  "adapters:read": { opens: "list adapters", isForKeys: true, roles: ROLES },
  "adapters:manage": {
    opens: "upload, grant, pin and delete adapters",
    isForKeys: true,
    roles: ["owner", "admin", "member"],
  },
  "keys:read": { opens: "list keys, without their secrets", isForKeys: true, roles: ROLES },
  "keys:manage": {
    opens: "make, change, rotate and revoke keys",
    isForKeys: true,
    roles: MANAGERS,
  },
  "projects:read": { opens: "list projects", isForKeys: true, roles: ROLES },
  "projects:manage": { opens: "make and rename projects", isForKeys: false, roles: MANAGERS },
  "members:read": { opens: "list members and sessions", isForKeys: false, roles: ROLES },
  "members:manage": {
    opens: "add, change and remove members, give login tokens, end sessions",
    isForKeys: false,
    roles: MANAGERS,
  },
  "tenant:export": {
    opens: "read all that is kept of the tenant, as one export",
    isForKeys: false,
    roles: ["owner"],
  },
  "audit:read": { opens: "read the audit log", isForKeys: true, roles: MANAGERS },
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

/** What a key can hold. */
export function keyScopes(): readonly Scope[] {
  return scopeNames().filter((scope) => specs[scope].isForKeys);
}

/** What a member of this role may do. */
export function roleScopes(role: Role): readonly Scope[] {
  return scopeNames().filter((scope) => specs[scope].roles.includes(role));
}
