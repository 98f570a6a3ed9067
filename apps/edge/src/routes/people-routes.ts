// The routes with which a tenant's projects, members and sessions are managed.
import type { EdgeDependencies } from "../edge-context.ts";
import { changedMember, memberHandlers, newLogin, newMember } from "../http/members.ts";
import { pageQuery } from "../http/page-query.ts";
import { projectHandlers, projectName } from "../http/projects.ts";
import {
  closeOwnSessionRoute,
  currentSessionRoute,
  newSession,
  openSessionRoute,
  sessionHandlers,
} from "../http/sessions.ts";
import { managedRoutes, type ManagedRoute } from "./managed-route.ts";
import type { Route } from "./route.ts";

const tag = "Sessions";

export function peopleRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    ...sessionRoutes(deps),
    ...managedRoutes(deps, "Projects", projectRoutes(deps)),
    ...managedRoutes(deps, "Members", [...memberRoutes(deps), ...accessRoutes(deps)]),
  ];
}

function sessionRoutes(deps: EdgeDependencies): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/fairlane/sessions",
      access: "public",
      docs: {
        summary: "Open a session with a one-time login token, or with an API key",
        tag,
        body: newSession,
        status: 201,
      },
      handler: openSessionRoute(deps),
    },
    {
      method: "GET",
      path: "/v1/fairlane/session",
      access: "caller",
      docs: { summary: "Who the caller is and what it may do", tag },
      handler: currentSessionRoute(deps),
    },
    {
      method: "DELETE",
      path: "/v1/fairlane/session",
      access: "caller",
      docs: { summary: "End the caller's own session", tag },
      handler: closeOwnSessionRoute(deps),
    },
  ];
}

function projectRoutes(deps: EdgeDependencies): readonly ManagedRoute[] {
  const { list, create, rename } = projectHandlers(deps);
  return [
    {
      method: "GET",
      path: "/projects",
      scope: "projects:read",
      docs: { summary: "List projects", query: pageQuery },
      handler: list,
    },
    {
      method: "POST",
      path: "/projects",
      scope: "projects:manage",
      docs: { summary: "Make a project", body: projectName, status: 201 },
      handler: create,
    },
    {
      method: "PATCH",
      path: "/projects/:project",
      scope: "projects:manage",
      docs: { summary: "Rename a project", body: projectName },
      handler: rename,
    },
  ];
}

function memberRoutes(deps: EdgeDependencies): readonly ManagedRoute[] {
  const { list, add, change, remove, login } = memberHandlers(deps);
  const scope = "members:manage";
  return [
    {
      method: "GET",
      path: "/members",
      scope: "members:read",
      docs: { summary: "List members", query: pageQuery },
      handler: list,
    },
    {
      method: "POST",
      path: "/members",
      scope,
      docs: { summary: "Add a member", body: newMember, status: 201 },
      handler: add,
    },
    {
      method: "PATCH",
      path: "/members/:member",
      scope,
      docs: { summary: "Change a member's name or role", body: changedMember },
      handler: change,
    },
    {
      method: "DELETE",
      path: "/members/:member",
      scope,
      docs: { summary: "Remove a member with its sessions" },
      handler: remove,
    },
    {
      method: "POST",
      path: "/members/:member/login-tokens",
      scope,
      docs: {
        summary: "Make a one-time login token; it is shown once",
        body: newLogin,
        status: 201,
      },
      handler: login,
    },
  ];
}

function accessRoutes(deps: EdgeDependencies): readonly ManagedRoute[] {
  const sessions = sessionHandlers(deps);
  const scope = "members:manage";
  return [
    {
      method: "GET",
      path: "/login-tokens",
      scope: "members:read",
      docs: { summary: "List login tokens that nobody has used yet, newest first" },
      handler: sessions.listLogins,
    },
    {
      method: "DELETE",
      path: "/login-tokens/:login",
      scope,
      docs: { summary: "Take a login token back at once" },
      handler: sessions.dropLogin,
    },
    {
      method: "GET",
      path: "/sessions",
      scope: "members:read",
      docs: { summary: "List living sessions, newest first" },
      handler: sessions.list,
    },
    {
      method: "DELETE",
      path: "/sessions/:session",
      scope,
      docs: { summary: "End a session at once" },
      handler: sessions.end,
    },
  ];
}
