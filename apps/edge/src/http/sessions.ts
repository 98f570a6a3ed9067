// Sessions of the dashboard: opened with a one-time login token or with an API key (then no more than that key), kept in
// a cookie, ended by their owner or by who manages members. There are no passwords.
import { isId, newId } from "@fairlane/base";
import {
  AppError,
  LOGIN_TOKEN,
  makeCredential,
  protocolLimits,
  readApiKey,
  readCredential,
  SESSION,
  type Caller,
  type LoginView,
  type SessionOpening,
  type SessionView,
  type TenantAccountRpc,
} from "@fairlane/protocol";
import { z } from "zod";
import { audited } from "../auth/audit-entry.ts";
import { wrongApiKey } from "../auth/authenticate.ts";
import { authorize } from "../auth/authorize.ts";
import { clientAddress } from "../auth/client-address.ts";
import { checkOrigin, sessionCookie } from "../auth/session-cookie.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { SESSION_LIFE_MS } from "../limits.ts";
import { parseAdminBody } from "./parse-admin-body.ts";
import { writeAccount } from "./write-account.ts";

const secret = z.string().max(protocolLimits.NAME_CHARS_MAX);

/** Body of a login: one of the two. */
export const newSession = z.union([
  z.strictObject({ login_token: secret }),
  z.strictObject({ api_key: secret }),
]);

/** POST /v1/fairlane/sessions: the secret is in the body, the session in the cookie of the answer. */
export function openSessionRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const request = context.req.raw;
    checkOrigin(request, false);
    const { tenantId, by } = await readOpening(deps, await parseAdminBody(request, newSession));
    const id = newId("ses", deps.clock, deps.random);
    const { keyPepper: pepper } = deps.config;
    const made = await makeCredential(SESSION, { tenantId, id, pepper, random: deps.random });
    const createdAtMs = deps.clock.nowMs();
    const expiresAtMs = createdAtMs + SESSION_LIFE_MS;
    // Before the account is asked: a login token serves once.
    const cookie = sessionCookie(request, made.text, SESSION_LIFE_MS);
    const session = { sessionId: id, secretHash: made.secretHash, createdAtMs, expiresAtMs };
    const clientIp = clientAddress(request.headers, deps.config.clientAddress);
    const write = (account: TenantAccountRpc) => account.openSession({ by, clientIp, session });
    const outcome = await writeAccount(context, deps, { tenantId, write });
    if (!outcome.ok) throw AppError.of(outcome.error);
    const { subject } = outcome;
    const caller = { tenantId, actor: actorOf(subject) };
    const done = { caller, action: "session.opened", target: id } as const;
    await audited(context, deps, done);
    const headers = { "set-cookie": cookie, "cache-control": "no-store" };
    const body = { ...sessionBody({ ...session, subject }), tenant_id: tenantId };
    return Response.json(body, { status: 201, headers });
  };
}

/** GET /v1/fairlane/session: who the caller is and what it may do. */
export function currentSessionRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { caller } = await authorize(context, deps, null);
    return Response.json({
      object: "fairlane.caller",
      tenant_id: caller.tenantId,
      actor: caller.actor,
      role: caller.role,
      scopes: caller.scopes,
    });
  };
}

/** DELETE /v1/fairlane/session: ends the caller's own session and takes the cookie away. */
export function closeOwnSessionRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { caller, claim } = await authorize(context, deps, null);
    if (claim.kind !== "session") throw unknownSession();
    // One's own session is one's own to end, whatever the role.
    await endSession(context, deps, { caller: { ...caller, role: null }, id: claim.sessionId });
    const cookie = sessionCookie(context.req.raw, "", 0);
    const body = { object: "fairlane.session", id: claim.sessionId, ended: true };
    return Response.json(body, { headers: { "set-cookie": cookie } });
  };
}

/** The handlers below `/sessions` for those who manage members. */
export function sessionHandlers(deps: EdgeDependencies) {
  return {
    list: async (context: EdgeContext, { tenantId }: Caller): Promise<Response> => {
      const write = (account: TenantAccountRpc) => account.listSessions();
      const { sessions } = await writeAccount(context, deps, { tenantId, write });
      return Response.json({ object: "list", data: sessions.map(sessionBody), has_more: false });
    },
    listLogins: async (context: EdgeContext, { tenantId }: Caller): Promise<Response> => {
      const write = (account: TenantAccountRpc) => account.listSessions();
      const { logins } = await writeAccount(context, deps, { tenantId, write });
      return Response.json({ object: "list", data: logins.map(loginBody), has_more: false });
    },
    dropLogin: async (context: EdgeContext, caller: Caller): Promise<Response> => {
      const id = context.req.param("login") ?? "";
      const { tenantId, role } = caller;
      const write = (account: TenantAccountRpc) => account.closeSession(id, role);
      if (!isId("lgn", id) || !(await writeAccount(context, deps, { tenantId, write }))) {
        const message = "There is no such login token: it was used, taken back, or is over.";
        throw new AppError("not_found", message, { param: "login" });
      }
      await audited(context, deps, { caller, action: "login_token.revoked", target: id });
      return Response.json({ object: "fairlane.login_token", id, revoked: true });
    },
    end: async (context: EdgeContext, caller: Caller): Promise<Response> => {
      const id = context.req.param("session") ?? "";
      await endSession(context, deps, { caller, id });
      return Response.json({ object: "fairlane.session", id, ended: true });
    },
  };
}

async function endSession(
  context: EdgeContext,
  deps: EdgeDependencies,
  { caller, id }: { readonly caller: Caller; readonly id: string },
): Promise<void> {
  const { tenantId, role } = caller;
  const write = (account: TenantAccountRpc) => account.closeSession(id, role);
  const isKnown = isId("ses", id) && (await writeAccount(context, deps, { tenantId, write }));
  if (!isKnown) throw unknownSession();
  await audited(context, deps, { caller, action: "session.ended", target: id });
}

/** Whose secret it is, by its own tag; throws a 401 for a forged one. */
async function readOpening(
  deps: EdgeDependencies,
  body: z.infer<typeof newSession>,
): Promise<{ readonly tenantId: string; readonly by: SessionOpening["by"] }> {
  const { keyPepper } = deps.config;
  if ("login_token" in body) {
    const read = await readCredential(LOGIN_TOKEN, body.login_token, keyPepper);
    if (!read) {
      const message =
        "The login token is not valid: it serves once and for a short time. Ask for a new one.";
      throw new AppError("invalid_login_token", message, { param: "login_token" });
    }
    const { tenantId, id: loginId, secretHash } = read;
    return { tenantId, by: { kind: "login", loginId, secretHash } };
  }
  const read = await readApiKey(body.api_key, keyPepper);
  if (!read) throw AppError.of({ ...wrongApiKey(), param: "api_key" });
  const { tenantId, keyId, secretHash } = read;
  return { tenantId, by: { kind: "key", keyId, secretHash } };
}

function actorOf(subject: SessionView["subject"]): Caller["actor"] {
  return subject.kind === "member"
    ? { kind: "member", id: subject.memberId }
    : { kind: "key", id: subject.keyId };
}

function sessionBody(session: SessionView) {
  return {
    object: "fairlane.session",
    id: session.sessionId,
    actor: actorOf(session.subject),
    created_at_ms: session.createdAtMs,
    expires_at_ms: session.expiresAtMs,
  };
}

/** Without its text, which nobody knows but who was given it. */
function loginBody({ loginId: id, memberId, expiresAtMs }: LoginView) {
  return {
    object: "fairlane.login_token",
    id,
    member_id: memberId,
    expires_at_ms: expiresAtMs,
  };
}

function unknownSession(): AppError {
  return new AppError("not_found", "There is no such session.", { param: "session" });
}
