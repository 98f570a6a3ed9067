// Management of a tenant's projects, through either door: a project groups keys, limits and usage. It is not deleted,
// since the ledger names it.
import { newId } from "@fairlane/base";
import { createProject, listProjects, renameProject, type Project } from "@fairlane/db";
import { AppError, protocolLimits, type Caller } from "@fairlane/protocol";
import { z } from "zod";
import { auditEntry } from "../auth/audit-entry.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { pageBody, parsePageQuery } from "./page-query.ts";
import { parseAdminBody } from "./parse-admin-body.ts";

/** Body of a new project, and of a new name. */
export const projectName = z.strictObject({
  name: z.string().min(1).max(protocolLimits.NAME_CHARS_MAX),
});

/** The handlers below `/projects`. */
export function projectHandlers(deps: EdgeDependencies) {
  return {
    list: async (context: EdgeContext, { tenantId }: Caller): Promise<Response> => {
      const { limit, after } = parsePageQuery(context);
      const page = { tenantId, afterId: after, projectsMax: limit + 1 };
      const rows = await listProjects(deps.controlDb, page);
      return Response.json(pageBody(rows.map(projectBody), limit));
    },
    create: async (context: EdgeContext, caller: Caller): Promise<Response> => {
      const { name } = await parseAdminBody(context.req.raw, projectName);
      const { tenantId } = caller;
      const id = newId("prj", deps.clock, deps.random);
      const project = { id, tenantId, name, createdAtMs: deps.clock.nowMs() };
      const done = { caller, action: "project.created", target: id, details: { name } } as const;
      await createProject(deps.controlDb, project, auditEntry(context, deps, done));
      return Response.json(projectBody(project), { status: 201 });
    },
    rename: async (context: EdgeContext, caller: Caller): Promise<Response> => {
      const { name } = await parseAdminBody(context.req.raw, projectName);
      const { tenantId } = caller;
      const id = context.req.param("project") ?? "";
      const done = { caller, action: "project.renamed", target: id, details: { name } } as const;
      const audit = auditEntry(context, deps, done);
      const project = await renameProject(deps.controlDb, { tenantId, id, name }, audit);
      if (project) return Response.json(projectBody(project));
      throw new AppError("not_found", "This tenant has no such project.", { param: "project" });
    },
  };
}

function projectBody(project: Project) {
  return {
    object: "fairlane.project",
    id: project.id,
    tenant_id: project.tenantId,
    name: project.name,
    created_at_ms: project.createdAtMs,
  };
}
