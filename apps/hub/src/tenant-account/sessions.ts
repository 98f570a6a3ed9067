// Owns the tenant's sessions and the one-time logins that open them. All are in memory; the table is written first,
// hashes only. Invariant: a login is taken once; what is over or removed opens nothing from that moment on.
import { equalsConstantTime } from "@fairlane/base";
import type { AccountLogin, AccountSession, OpenAccess } from "@fairlane/protocol";
import { LOGINS_MAX, SESSIONS_MAX } from "../limits.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS secrets (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('session', 'login')),
  secret TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

const encoder = new TextEncoder();

export class SessionStore {
  readonly #sql: SqlStorage;
  /** Both by id, oldest first: ids are ULIDs. */
  readonly #sessions = new Map<string, AccountSession>();
  readonly #logins = new Map<string, AccountLogin>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE_SQL);
    const rows = sql.exec<{ kind: string; secret: string }>("SELECT * FROM secrets ORDER BY id");
    for (const { kind, secret } of rows) {
      // Written by #write below.
      if (kind === "session") {
        const session = JSON.parse(secret) as AccountSession;
        this.#sessions.set(session.sessionId, session);
      } else {
        const login = JSON.parse(secret) as AccountLogin;
        this.#logins.set(login.loginId, login);
      }
    }
  }

  /** Adds a login; the oldest goes when there are as many as may be. */
  addLogin(login: AccountLogin): void {
    this.#makeRoom(this.#logins, LOGINS_MAX);
    this.#write("login", login.loginId, login);
    this.#logins.set(login.loginId, login);
  }

  /** The member of a login that is alive; it is gone then. Undefined, and nothing changes, otherwise. */
  takeLogin(loginId: string, secretHash: string, nowMs: number): string | undefined {
    const login = this.#logins.get(loginId);
    if (!login || !isSame(login.secretHash, secretHash) || login.expiresAtMs <= nowMs) {
      return undefined;
    }
    this.#forget(this.#logins, loginId);
    return login.memberId;
  }

  /** Adds a session; the oldest ends when there are as many as may be. */
  open(session: AccountSession): void {
    this.#makeRoom(this.#sessions, SESSIONS_MAX);
    this.#write("session", session.sessionId, session);
    this.#sessions.set(session.sessionId, session);
  }

  /** The living session of this id if the secret is its own. */
  verified(sessionId: string, secretHash: string, nowMs: number): AccountSession | undefined {
    const session = this.#sessions.get(sessionId);
    if (!session || !isSame(session.secretHash, secretHash)) return undefined;
    return session.expiresAtMs > nowMs ? session : undefined;
  }

  find(sessionId: string): AccountSession | undefined {
    return this.#sessions.get(sessionId);
  }

  /** The member of a login, living or not. */
  memberOfLogin(loginId: string): string | undefined {
    return this.#logins.get(loginId)?.memberId;
  }

  dropLogin(loginId: string): void {
    this.#forget(this.#logins, loginId);
  }

  close(sessionId: string): void {
    this.#forget(this.#sessions, sessionId);
  }

  /** Ends everything of a member. */
  closeMember(memberId: string): void {
    for (const { sessionId, subject } of this.#sessions.values()) {
      const isTheirs = subject.kind === "member" && subject.memberId === memberId;
      if (isTheirs) this.#forget(this.#sessions, sessionId);
    }
    for (const login of this.#logins.values()) {
      if (login.memberId === memberId) this.#forget(this.#logins, login.loginId);
    }
  }

  /** Living sessions and logins, newest first, without their hashes. */
  list(nowMs: number): OpenAccess {
    return { sessions: views(this.#sessions, nowMs), logins: views(this.#logins, nowMs) };
  }

  #makeRoom(known: Map<string, unknown>, countMax: number): void {
    const [oldest] = known.keys();
    if (known.size >= countMax && oldest !== undefined) this.#forget(known, oldest);
  }

  #write(kind: "session" | "login", id: string, secret: object): void {
    this.#sql.exec(
      "INSERT INTO secrets (id, kind, secret) VALUES (?, ?, ?)",
      id,
      kind,
      JSON.stringify(secret),
    );
  }

  #forget(known: Map<string, unknown>, id: string): void {
    this.#sql.exec("DELETE FROM secrets WHERE id = ?", id);
    known.delete(id);
  }
}

function views<T extends { readonly secretHash: string; readonly expiresAtMs: number }>(
  known: ReadonlyMap<string, T>,
  nowMs: number,
): readonly Omit<T, "secretHash">[] {
  return [...known.values()]
    .filter(({ expiresAtMs }) => expiresAtMs > nowMs)
    .map(({ secretHash: _, ...view }) => view)
    .toReversed();
}

function isSame(left: string, right: string): boolean {
  return equalsConstantTime(encoder.encode(left), encoder.encode(right));
}
