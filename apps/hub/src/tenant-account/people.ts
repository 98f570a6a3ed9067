// Owns what is done to members and sessions, in the account's words: joins both stores, so that a removed member has
// no session and a session of a key is no more than the key.
import type {
  AccountLogin,
  AccountMember,
  ErrorValue,
  MemberOutcome,
  OpenAccess,
  Role,
  SessionOpening,
  SessionOutcome,
} from "@fairlane/protocol";
import { keyRefusal } from "./key-refusal.ts";
import type { KeyRing } from "./keys.ts";
import { mayManage, MemberStore } from "./members.ts";
import { SessionStore } from "./sessions.ts";

export class People {
  readonly members: MemberStore;
  readonly sessions: SessionStore;
  readonly #keys: KeyRing;

  constructor(sql: SqlStorage, keys: KeyRing) {
    this.members = new MemberStore(sql);
    this.sessions = new SessionStore(sql);
    this.#keys = keys;
  }

  put(member: AccountMember, by: Role | null): MemberOutcome {
    return this.members.put(member, by);
  }

  remove(memberId: string, by: Role | null): MemberOutcome {
    const outcome = this.members.remove(memberId, by);
    if (outcome.ok) this.sessions.closeMember(memberId);
    return outcome;
  }

  addLogin(login: AccountLogin, by: Role | null): MemberOutcome {
    const role = this.members.roleOf(login.memberId);
    if (role === undefined) return { ok: false, reason: "unknown" };
    if (!mayManage(by, role)) return { ok: false, reason: "not_yours" };
    this.sessions.addLogin(login);
    return { ok: true };
  }

  open({ by, clientIp, session }: SessionOpening, nowMs: number): SessionOutcome {
    if (by.kind === "login") {
      const memberId = this.sessions.takeLogin(by.loginId, by.secretHash, nowMs);
      if (memberId === undefined) return { ok: false, error: WRONG_LOGIN };
      const subject = { kind: "member", memberId } as const;
      this.sessions.open({ ...session, subject });
      return { ok: true, subject };
    }
    const key = this.#keys.verified(by.keyId, by.secretHash);
    if (!key || key.revokedAtMs !== null) return { ok: false, error: WRONG_KEY };
    const refused = keyRefusal(key, { scope: null, hold: null, clientIp }, nowMs);
    if (refused) return { ok: false, error: refused };
    const subject = { kind: "key", keyId: key.keyId } as const;
    this.sessions.open({ ...session, subject });
    return { ok: true, subject };
  }

  /** Ends a session or takes a login back; false when it is unknown, or an owner's and not theirs to end. */
  close(sessionId: string, by: Role | null): boolean {
    const invited = this.sessions.memberOfLogin(sessionId);
    if (invited !== undefined) {
      if (!mayManage(by, this.members.roleOf(invited) ?? "viewer")) return false;
      this.sessions.dropLogin(sessionId);
      return true;
    }
    const session = this.sessions.find(sessionId);
    if (!session) return false;
    const { subject } = session;
    const role = subject.kind === "member" ? this.members.roleOf(subject.memberId) : undefined;
    if (role !== undefined && !mayManage(by, role)) return false;
    this.sessions.close(sessionId);
    return true;
  }

  list(nowMs: number): OpenAccess {
    return this.sessions.list(nowMs);
  }
}

const WRONG_LOGIN: ErrorValue = {
  code: "invalid_login_token",
  message: "The login token is not valid: it serves once and for a short time. Ask for a new one.",
  param: "login_token",
};

const WRONG_KEY: ErrorValue = {
  code: "invalid_api_key",
  message: "The API key is not valid.",
  param: "api_key",
};
