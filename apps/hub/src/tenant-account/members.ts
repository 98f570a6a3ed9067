// Owns the tenant's members and their roles: authoritative, so that a changed role holds for the next request. All are
// in memory; the table is written first. Invariant: owners are changed by owners and the operator alone, and nobody
// but the operator takes the last one away.
import type { AccountMember, MemberOutcome, Role } from "@fairlane/protocol";
import { MEMBERS_MAX } from "../limits.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS members (
  member_id TEXT PRIMARY KEY,
  role TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

const DONE: MemberOutcome = { ok: true };

/** True when a member of role `by` (null: the operator) may do something to one of this role. */
export function mayManage(by: Role | null, role: Role): boolean {
  return by === null || by === "owner" || (by === "admin" && role !== "owner");
}

export class MemberStore {
  readonly #sql: SqlStorage;
  readonly #roles = new Map<string, Role>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE_SQL);
    for (const row of sql.exec<{ member_id: string; role: string }>("SELECT * FROM members")) {
      // Written by `put` below.
      this.#roles.set(row.member_id, row.role as Role);
    }
  }

  /** Undefined for who is no member. */
  roleOf(memberId: string): Role | undefined {
    return this.#roles.get(memberId);
  }

  /** Adds a member or changes its role. */
  put({ memberId, role }: AccountMember, by: Role | null): MemberOutcome {
    const known = this.#roles.get(memberId);
    if (!mayManage(by, role) || (known !== undefined && !mayManage(by, known))) {
      return { ok: false, reason: "not_yours" };
    }
    if (known === undefined && this.#roles.size >= MEMBERS_MAX) {
      return { ok: false, reason: "too_many" };
    }
    if (role !== "owner" && this.#isLastOwner(memberId) && by !== null) {
      return { ok: false, reason: "last_owner" };
    }
    this.#sql.exec(
      "INSERT INTO members (member_id, role) VALUES (?, ?) ON CONFLICT DO UPDATE SET role = excluded.role",
      memberId,
      role,
    );
    this.#roles.set(memberId, role);
    return DONE;
  }

  remove(memberId: string, by: Role | null): MemberOutcome {
    const role = this.#roles.get(memberId);
    if (role === undefined) return { ok: false, reason: "unknown" };
    if (!mayManage(by, role)) return { ok: false, reason: "not_yours" };
    if (this.#isLastOwner(memberId) && by !== null) return { ok: false, reason: "last_owner" };
    this.#sql.exec("DELETE FROM members WHERE member_id = ?", memberId);
    this.#roles.delete(memberId);
    return DONE;
  }

  #isLastOwner(memberId: string): boolean {
    const owners = [...this.#roles].filter(([, role]) => role === "owner");
    return owners.length === 1 && owners[0]?.[0] === memberId;
  }
}
