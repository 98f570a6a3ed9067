// Owns the only list of what a caller may be allowed to do. A route names one scope; a key holds some of them.
// Who decides whether a caller has a scope is TenantAccount.

/** Every scope, with what it opens. */
export const SCOPES = {
  inference: "run models and list them",
  "usage:read": "read usage, cost and fair share",
  "keys:read": "list keys, without their secrets",
  "keys:manage": "make, change, rotate and revoke keys",
  "adapters:read": "list adapters",
  "adapters:manage": "upload, grant, pin and delete adapters",
  files: "upload, read and delete files",
  batches: "start, read and cancel batches",
} as const satisfies Record<string, string>;

export type Scope = keyof typeof SCOPES;

/** True when `text` is a scope of the list. */
export function isScope(text: string): text is Scope {
  return Object.hasOwn(SCOPES, text);
}
