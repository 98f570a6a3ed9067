// Management of a tenant's members, through either door. The account is authoritative for roles and written first, then
// the register together with the audit log.
import { newId } from "@fairlane/base";
import { changeMember, createMember, findMember, listMembers, type Member } from "@fairlane/db";
import {
  AppError,
  LOGIN_TOKEN,
  makeCredential,
  protocolLimits,
  ROLES,
  type Caller,
  type MemberOutcome,
  type TenantAccountRpc,
} from "@fairlane/protocol";
import { z } from "zod";
import { audited, auditEntry } from "../auth/audit-entry.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { LOGIN_LIFE_MS_DEFAULT, LOGIN_LIFE_MS_MAX } from "../limits.ts";
import { pageBody, parsePageQuery } from "./page-query.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { writeAccount } from "./write-account.ts";

const text = z.string().min(1).max(protocolLimits.NAME_CHARS_MAX);

/** Body of a new member. `email` is a note: nothing is sent to it. */
export const newMember = z.strictObject({
  name: text,
  email: text.nullable().default(null),
  role: z.enum(ROLES),
});

/** Body of a change of a member; what is absent stays. */
export const changedMember = z
  .strictObject({ name: text, email: text.nullable(), role: z.enum(ROLES) })
  .partial();

/** Body of a login token. */
export const newLogin = z.strictObject({
  life_ms: z.int().min(1).max(LOGIN_LIFE_MS_MAX).default(LOGIN_LIFE_MS_DEFAULT),
});

/** The handlers below `/members`. */
export function memberHandlers(deps: EdgeDependencies) {
  return {
    list: async (context: EdgeContext, { tenantId }: Caller): Promise<Response> => {
      const { limit, after } = parsePageQuery(context);
      const page = { tenantId, afterId: after, membersMax: limit + 1 };
      const rows = await listMembers(deps.controlDb, page);
      return Response.json(pageBody(rows.map(memberBody), limit));
    },
    add: (context: EdgeContext, caller: Caller) => addMember(context, deps, caller),
    change: (context: EdgeContext, caller: Caller) => alterMember(context, deps, caller),
    remove: (context: EdgeContext, caller: Caller) => removeMember(context, deps, caller),
    login: (context: EdgeContext, caller: Caller) => createLogin(context, deps, caller),
  };
}

async function addMember(
  context: EdgeContext,
  deps: EdgeDependencies,
  caller: Caller,
): Promise<Response> {
  const wanted = await parseAdminBody(context.req.raw, newMember);
  const { tenantId } = caller;
  const member: Member = {
    id: newId("mem", deps.clock, deps.random),
    tenantId,
    ...wanted,
    removedAtMs: null,
    createdAtMs: deps.clock.nowMs(),
  };
  const account = { memberId: member.id, role: member.role };
  const write = (one: TenantAccountRpc) => one.putMember(account, caller.role);
  checkOutcome(await writeAccount(context, deps, { tenantId, write }));
  const done = { caller, action: "member.added", target: member.id, details: wanted } as const;
  await createMember(deps.controlDb, member, auditEntry(context, deps, done));
  return Response.json(memberBody(member), { status: 201 });
}

async function alterMember(
  context: EdgeContext,
  deps: EdgeDependencies,
  caller: Caller,
): Promise<Response> {
  const { tenantId } = caller;
  const memberId = context.req.param("member") ?? "";
  const wanted = await parseAdminBody(context.req.raw, changedMember);
  const known = await findMember(deps.controlDb, tenantId, memberId);
  if (!known) throw unknownMember();
  // Also when only the name changes: the account says whether the member is the caller's to change.
  const role = wanted.role ?? known.role;
  const write = (one: TenantAccountRpc) => one.putMember({ memberId, role }, caller.role);
  checkOutcome(await writeAccount(context, deps, { tenantId, write }));
  const change = {
    role,
    ...(wanted.name === undefined ? {} : { name: wanted.name }),
    ...(wanted.email === undefined ? {} : { email: wanted.email }),
  };
  const done = { caller, action: "member.changed", target: memberId, details: change } as const;
  const audit = auditEntry(context, deps, done);
  const member = await changeMember(deps.controlDb, { tenantId, memberId, change }, audit);
  if (!member) throw unknownMember();
  return Response.json(memberBody(member));
}

/** Effective before it answers: the member's sessions are over. */
async function removeMember(
  context: EdgeContext,
  deps: EdgeDependencies,
  caller: Caller,
): Promise<Response> {
  const { tenantId } = caller;
  const memberId = context.req.param("member") ?? "";
  const write = (one: TenantAccountRpc) => one.removeMember(memberId, caller.role);
  checkOutcome(await writeAccount(context, deps, { tenantId, write }));
  const done = { caller, action: "member.removed", target: memberId } as const;
  const audit = auditEntry(context, deps, done);
  const change = { removedAtMs: deps.clock.nowMs() };
  await changeMember(deps.controlDb, { tenantId, memberId, change }, audit);
  return Response.json({ object: "fairlane.member", id: memberId, removed: true });
}

/** A secret that the member exchanges once for a session; shown in this answer and never again. */
async function createLogin(
  context: EdgeContext,
  deps: EdgeDependencies,
  caller: Caller,
): Promise<Response> {
  const { tenantId } = caller;
  const memberId = context.req.param("member") ?? "";
  const { life_ms: lifeMs } = await parseAdminBody(context.req.raw, newLogin);
  const id = newId("lgn", deps.clock, deps.random);
  const { keyPepper: pepper } = deps.config;
  const made = await makeCredential(LOGIN_TOKEN, { tenantId, id, pepper, random: deps.random });
  const expiresAtMs = deps.clock.nowMs() + lifeMs;
  const login = { loginId: id, secretHash: made.secretHash, memberId, expiresAtMs };
  const write = (one: TenantAccountRpc) => one.addLogin(login, caller.role);
  checkOutcome(await writeAccount(context, deps, { tenantId, write }));
  const details = { member_id: memberId, expires_at_ms: expiresAtMs };
  const done = { caller, action: "login_token.created", target: id, details } as const;
  await audited(context, deps, done);
  const body = { object: "fairlane.login_token", id, member_id: memberId, login_token: made.text };
  const headers = { "cache-control": "no-store" };
  return Response.json({ ...body, expires_at_ms: expiresAtMs }, { status: 201, headers });
}

function checkOutcome(outcome: MemberOutcome): void {
  if (outcome.ok) return;
  switch (outcome.reason) {
    case "unknown":
      throw unknownMember();
    case "too_many":
      throw new AppError("too_many_members", "The tenant has as many members as it may.");
    case "last_owner":
      throw new AppError("role_not_allowed", "The tenant's last owner stays one.");
    case "not_yours":
      throw new AppError("role_not_allowed", "Only an owner may make, change or remove owners.");
  }
}

function unknownMember(): AppError {
  return new AppError("not_found", "This tenant has no such member.", { param: "member" });
}

function memberBody(member: Member) {
  return {
    object: "fairlane.member",
    id: member.id,
    tenant_id: member.tenantId,
    name: member.name,
    email: member.email,
    role: member.role,
    created_at_ms: member.createdAtMs,
  };
}
