// Owns the queries of tenants and their projects.
import { assert } from "@fairlane/base";
import { and, asc, eq } from "drizzle-orm";
import type { AuditEntry } from "./audit-entry.ts";
import { auditInsert } from "./audit.ts";
import type { ControlDb } from "./client.ts";
import { projects } from "./schema/control/projects.ts";
import { tenants } from "./schema/control/tenants.ts";

export type Tenant = typeof tenants.$inferSelect;
export type Project = typeof projects.$inferSelect;

/** Writes a tenant and its first project, both or neither, with the entry of the audit log. */
export async function createTenant(
  db: ControlDb,
  { tenant, project }: { readonly tenant: Tenant; readonly project: Project },
  audit: AuditEntry,
): Promise<void> {
  assert(project.tenantId === tenant.id, "the first project belongs to the new tenant");
  await db.batch([
    db.insert(tenants).values(tenant),
    db.insert(projects).values(project),
    auditInsert(db, audit),
  ]);
}

/** The tenant, or undefined when there is none with this id. */
export async function findTenant(db: ControlDb, tenantId: string): Promise<Tenant | undefined> {
  return (await db.select().from(tenants).where(eq(tenants.id, tenantId)).limit(1))[0];
}

/** Changes what is given of a tenant. */
export async function updateTenant(
  db: ControlDb,
  tenantId: string,
  change: Partial<Omit<Tenant, "id" | "createdAtMs">>,
): Promise<void> {
  await db.update(tenants).set(change).where(eq(tenants.id, tenantId));
}

/** A project of this tenant; another tenant's project is not found. */
export async function findProject(
  db: ControlDb,
  tenantId: string,
  projectId: string,
): Promise<Project | undefined> {
  const mine = and(eq(projects.id, projectId), eq(projects.tenantId, tenantId));
  return (await db.select().from(projects).where(mine).limit(1))[0];
}

/** The tenant's oldest project, made together with the tenant: keys that name no project belong to it. */
export async function findDefaultProject(
  db: ControlDb,
  tenantId: string,
): Promise<Project | undefined> {
  const rows = await db
    .select()
    .from(projects)
    .where(eq(projects.tenantId, tenantId))
    .orderBy(asc(projects.createdAtMs), asc(projects.id))
    .limit(1);
  return rows[0];
}
