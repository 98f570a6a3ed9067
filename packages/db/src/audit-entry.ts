// Owns what an entry of the audit log says. A new administrative action gets its name here.

/** What was done, as subject and past participle. */
export type AuditAction =
  | "tenant.created"
  | "tenant.changed"
  | "tenant.erasure_begun"
  | "tenant.erased"
  | "tenant.exported"
  | "credit.given"
  | "invoice.drafted"
  | "invoice.finalized"
  | "invoice.voided"
  | "invoice.adjusted"
  | "budget.set"
  | "budget.removed"
  | "webhook.changed"
  | "prices.created"
  | "key.created"
  | "key.changed"
  | "key.rotated"
  | "key.revoked"
  | "adapter.created"
  | "adapter.changed"
  | "adapter.deleted"
  | "adapter.version_added"
  | "adapter.granted"
  | "adapter.grant_revoked"
  | "project.created"
  | "project.renamed"
  | "member.added"
  | "member.changed"
  | "member.removed"
  | "login_token.created"
  | "login_token.revoked"
  | "job.run"
  | "billing_export.changed"
  | "billing_export.removed"
  | "billing_export.retried"
  | "billing_customer.changed"
  | "session.opened"
  | "session.ended";

/** What it was changed to: short values, no secrets. */
export type AuditDetails = Readonly<
  Record<string, string | number | boolean | null | readonly string[]>
>;

export interface AuditEntry {
  /** `aud_...`; entries are read in the order of their ids. */
  readonly id: string;
  readonly atMs: number;
  /** Null for what concerns no single tenant. */
  readonly tenantId: string | null;
  readonly actorKind: "operator" | "key" | "member";
  readonly actorId: string;
  readonly action: AuditAction;
  readonly target: string;
  readonly ip: string | null;
  readonly requestId: string;
  readonly details: AuditDetails;
}
