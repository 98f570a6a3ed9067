// Owns the types of the RPC about a tenant's members and their sessions, for which TenantAccount is authoritative: a
// changed role, a removed member and an ended session take effect with the next request. Plain data only.
import type { Role } from "../access/scopes.ts";
import type { ErrorValue } from "../app-error.ts";

export interface AccountMember {
  readonly memberId: string;
  readonly role: Role;
}

/** A member after the change, or why it stayed. */
export type MemberOutcome =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** `not_yours`: an owner, who is an owner's or the operator's to change. */
      readonly reason: "unknown" | "too_many" | "last_owner" | "not_yours";
    };

/** A secret that can be exchanged once for a session of the member. */
export interface AccountLogin {
  readonly loginId: string;
  /** Hex. */
  readonly secretHash: string;
  readonly memberId: string;
  readonly expiresAtMs: number;
}

/** A session as TenantAccount keeps it: of a member, or of a key and then no more than that key. */
export interface AccountSession {
  readonly sessionId: string;
  /** Hex. */
  readonly secretHash: string;
  readonly subject:
    | { readonly kind: "member"; readonly memberId: string }
    | { readonly kind: "key"; readonly keyId: string };
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** With what a session is opened. */
export interface SessionOpening {
  readonly by:
    | { readonly kind: "login"; readonly loginId: string; readonly secretHash: string }
    | { readonly kind: "key"; readonly keyId: string; readonly secretHash: string };
  readonly clientIp?: string | undefined;
  readonly session: Omit<AccountSession, "subject">;
}

export type SessionOutcome =
  | { readonly ok: true; readonly subject: AccountSession["subject"] }
  | { readonly ok: false; readonly error: ErrorValue };

/** A session as people see it. */
export type SessionView = Omit<AccountSession, "secretHash">;

/** A login that nobody has used yet, as people see it. */
export type LoginView = Omit<AccountLogin, "secretHash">;

/** What opens the account to people, each the newest first. */
export interface OpenAccess {
  readonly sessions: readonly SessionView[];
  readonly logins: readonly LoginView[];
}

/** The part of TenantAccount's RPC surface that is about people. `by` is the role of who asks; null: the operator. */
export interface AccountMembersRpc {
  /** Adds a member or changes its role. */
  putMember(member: AccountMember, by: Role | null): Promise<MemberOutcome>;
  /** Removes a member with its sessions and logins. */
  removeMember(memberId: string, by: Role | null): Promise<MemberOutcome>;
  addLogin(login: AccountLogin, by: Role | null): Promise<MemberOutcome>;
  openSession(opening: SessionOpening): Promise<SessionOutcome>;
  /** Ends a session, or takes a login back, at once; false when it is unknown. */
  closeSession(sessionId: string, by: Role | null): Promise<boolean>;
  /** Those that are alive, newest first. */
  listSessions(): Promise<OpenAccess>;
}
