// Owns the queries of members: the register that people look at; TenantAccount decides, and is written first. Every
// change is one batch with its entry of the audit log.
import { and, asc, eq, gt, isNull } from "drizzle-orm";
import type { AuditEntry } from "./audit-entry.ts";
import { auditInsert } from "./audit.ts";
import type { ControlDb } from "./client.ts";
import { MEMBERS_PAGE_MAX } from "./limits.ts";
import { members } from "./schema/control/members.ts";

export type Member = typeof members.$inferSelect;

/** Registers a new member. */
export async function createMember(db: ControlDb, member: Member, audit: AuditEntry) {
  await db.batch([db.insert(members).values(member), auditInsert(db, audit)]);
}

/** A member of this tenant that was not removed; another tenant's is not found. */
export async function findMember(
  db: ControlDb,
  tenantId: string,
  memberId: string,
): Promise<Member | undefined> {
  return (await db.select().from(members).where(present(tenantId, memberId)).limit(1))[0];
}

/** A page of a tenant's members, oldest first, without those that were removed. */
export async function listMembers(
  db: ControlDb,
  page: {
    readonly tenantId: string;
    readonly afterId?: string | undefined;
    readonly membersMax: number;
  },
): Promise<readonly Member[]> {
  const { tenantId, afterId, membersMax } = page;
  return db
    .select()
    .from(members)
    .where(
      and(
        eq(members.tenantId, tenantId),
        isNull(members.removedAtMs),
        afterId === undefined ? undefined : gt(members.id, afterId),
      ),
    )
    .orderBy(asc(members.id))
    .limit(Math.min(membersMax, MEMBERS_PAGE_MAX));
}

/** Changes a member, or notes that it was removed; undefined when the tenant has none with this id. */
export async function changeMember(
  db: ControlDb,
  member: {
    readonly tenantId: string;
    readonly memberId: string;
    readonly change: Partial<Pick<Member, "name" | "email" | "role" | "removedAtMs">>;
  },
  audit: AuditEntry,
): Promise<Member | undefined> {
  const { tenantId, memberId, change } = member;
  const update = db.update(members).set(change).where(present(tenantId, memberId)).returning();
  const [rows] = await db.batch([update, auditInsert(db, audit)]);
  return rows[0];
}

function present(tenantId: string, memberId: string) {
  return and(eq(members.id, memberId), eq(members.tenantId, tenantId), isNull(members.removedAtMs));
}
