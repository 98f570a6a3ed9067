// Owns the queries with which projects are managed. Every change is one batch with its entry of the audit log.
import { and, asc, eq, gt } from "drizzle-orm";
import type { AuditEntry } from "./audit-entry.ts";
import { auditInsert } from "./audit.ts";
import type { ControlDb } from "./client.ts";
import { PROJECTS_PAGE_MAX } from "./limits.ts";
import { projects } from "./schema/control/projects.ts";
import type { Project } from "./tenants.ts";

/** Writes a new project. */
export async function createProject(db: ControlDb, project: Project, audit: AuditEntry) {
  await db.batch([db.insert(projects).values(project), auditInsert(db, audit)]);
}

/** A page of a tenant's projects, oldest first. */
export async function listProjects(
  db: ControlDb,
  page: {
    readonly tenantId: string;
    readonly afterId?: string | undefined;
    readonly projectsMax: number;
  },
): Promise<readonly Project[]> {
  const { tenantId, afterId, projectsMax } = page;
  const mine = eq(projects.tenantId, tenantId);
  return db
    .select()
    .from(projects)
    .where(afterId === undefined ? mine : and(mine, gt(projects.id, afterId)))
    .orderBy(asc(projects.id))
    .limit(Math.min(projectsMax, PROJECTS_PAGE_MAX));
}

/** Renames a project of this tenant; undefined when it has none with this id. */
export async function renameProject(
  db: ControlDb,
  project: Pick<Project, "tenantId" | "id" | "name">,
  audit: AuditEntry,
): Promise<Project | undefined> {
  const mine = and(eq(projects.id, project.id), eq(projects.tenantId, project.tenantId));
  const update = db.update(projects).set({ name: project.name }).where(mine).returning();
  const [rows] = await db.batch([update, auditInsert(db, audit)]);
  return rows[0];
}
