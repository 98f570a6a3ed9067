// Members and sessions at their authority: who may change whom, what a session may do, and what ends it.
import { evictDurableObject } from "cloudflare:test";
import type { AccountSession, Role, Scope } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import { accountOf, configOf, keyOf, makeAccount } from "../../test/usage.ts";

const HASH = "1c".repeat(32);
const KEY_HASH = "5e".repeat(32);
const farMs = () => Date.now() + 60_000;

const sessionOf = (sessionId: string, expiresAtMs = farMs()): Omit<AccountSession, "subject"> => ({
  sessionId,
  secretHash: HASH,
  createdAtMs: 1,
  expiresAtMs,
});
const loginOf = (memberId: string, expiresAtMs = farMs()) => ({
  loginId: `lgn_${memberId}`,
  secretHash: HASH,
  memberId,
  expiresAtMs,
});

/** An account with a session for each role, and a way to ask what one may. */
async function team() {
  const tenantId = uniqueId("ten");
  const account = await makeAccount(tenantId);
  for (const role of ["owner", "admin", "member", "viewer"] as const) {
    const memberId = `mem_${role}`;
    await account.putMember({ memberId, role }, null);
    await account.addLogin(loginOf(memberId), null);
    const by = { kind: "login", loginId: `lgn_${memberId}`, secretHash: HASH } as const;
    await account.openSession({ by, session: sessionOf(`ses_${role}`) });
  }
  const ask = async (sessionId: string, scope: Scope | null, secretHash = HASH) => {
    const claim = { kind: "session", sessionId, secretHash } as const;
    const outcome = await accountOf(tenantId).authorize({ requestId: "r", tenantId, claim, scope });
    return outcome.ok ? outcome.caller.actor.id : outcome.error.code;
  };
  return { tenantId, account, ask };
}

describe("a session of a member", () => {
  it("may what its role may, and follows a change of it at once", async () => {
    const { account, ask } = await team();
    expect(await ask("ses_viewer", "usage:read")).toBe("mem_viewer");
    expect(await ask("ses_viewer", "keys:manage")).toBe("scope_not_allowed");
    expect(await ask("ses_admin", "keys:manage")).toBe("mem_admin");
    expect(await ask("ses_owner", "inference")).toBe("scope_not_allowed");
    expect(await ask("ses_member", null)).toBe("mem_member");
    await account.putMember({ memberId: "mem_viewer", role: "admin" }, "owner");
    expect(await ask("ses_viewer", "keys:manage")).toBe("mem_viewer");
  });

  it("ends with its member, its owner's word, its time and a wrong secret; not with a restart", async () => {
    const { tenantId, account, ask } = await team();
    await evictDurableObject(account);
    const again = accountOf(tenantId);
    expect(await ask("ses_viewer", null)).toBe("mem_viewer");
    expect(await ask("ses_viewer", null, "00".repeat(32))).toBe("invalid_session");
    expect(await ask("ses_none", null)).toBe("invalid_session");
    await again.removeMember("mem_viewer", "owner");
    expect(await ask("ses_viewer", null)).toBe("invalid_session");
    expect(await again.closeSession("ses_member", "admin")).toBe(true);
    expect(await again.closeSession("ses_member", "admin")).toBe(false);
    expect(await ask("ses_member", null)).toBe("invalid_session");
    await again.addLogin(loginOf("mem_owner"), null);
    const by = { kind: "login", loginId: "lgn_mem_owner", secretHash: HASH } as const;
    await again.openSession({ by, session: sessionOf("ses_past", 1) });
    expect(await ask("ses_past", null)).toBe("invalid_session");
    const ids = (await again.listSessions()).sessions.map(({ sessionId }) => sessionId);
    expect(ids.toSorted()).toEqual(["ses_admin", "ses_owner"]);
    expect(JSON.stringify(await again.listSessions())).not.toContain(HASH);
  });

  it("does not get in while the tenant is suspended", async () => {
    const { tenantId, account, ask } = await team();
    await account.configure(configOf(tenantId, { active: false }));
    expect(await ask("ses_owner", "usage:read")).toBe("tenant_suspended");
  });
});

describe("a login", () => {
  it("opens one session, within its time, with its own secret", async () => {
    const account = await makeAccount(uniqueId("ten"));
    await account.putMember({ memberId: "mem_a", role: "owner" }, null);
    const open = async (secretHash: string) => {
      const by = { kind: "login", loginId: "lgn_mem_a", secretHash } as const;
      const outcome = await account.openSession({ by, session: sessionOf(uniqueId("ses")) });
      return outcome.ok ? "opened" : outcome.error.code;
    };
    expect(await open(HASH)).toBe("invalid_login_token");
    await account.addLogin(loginOf("mem_a"), null);
    expect(await open("00".repeat(32))).toBe("invalid_login_token");
    expect(await open(HASH)).toBe("opened");
    expect(await open(HASH)).toBe("invalid_login_token");
    await account.addLogin(loginOf("mem_a", 1), null);
    expect(await open(HASH)).toBe("invalid_login_token");
    const unknown = await account.addLogin(loginOf("mem_x"), null);
    expect(unknown).toEqual({ ok: false, reason: "unknown" });
  });
});

describe("a session of a key", () => {
  it("is no more than the key, and ends with it", async () => {
    const tenantId = uniqueId("ten");
    const account = await makeAccount(tenantId);
    await account.putKey(keyOf({ keyId: "key_r", scopes: ["usage:read"] }));
    const by = { kind: "key", keyId: "key_r", secretHash: KEY_HASH } as const;
    expect((await account.openSession({ by, session: sessionOf("ses_k") })).ok).toBe(true);
    const wrong = { ...by, secretHash: HASH };
    expect((await account.openSession({ by: wrong, session: sessionOf("ses_w") })).ok).toBe(false);
    const ask = async (scope: Scope) => {
      const claim = { kind: "session", sessionId: "ses_k", secretHash: HASH } as const;
      const outcome = await account.authorize({ requestId: "r", tenantId, claim, scope });
      return outcome.ok ? outcome.caller.actor : outcome.error.code;
    };
    expect(await ask("usage:read")).toEqual({ kind: "key", id: "key_r" });
    expect(await ask("keys:read")).toBe("scope_not_allowed");
    await account.changeKey("key_r", { allowedIps: ["10.0.0.0/8"] });
    expect(await ask("usage:read")).toBe("ip_not_allowed");
    await account.changeKey("key_r", { allowedIps: null });
    await account.revokeKey("key_r");
    expect(await ask("usage:read")).toBe("invalid_session");
  });
});

describe("who may change whom", () => {
  it.each([
    [null, "owner", true],
    ["owner", "owner", true],
    ["admin", "owner", false],
    ["admin", "admin", true],
    ["member", "viewer", false],
    ["viewer", "viewer", false],
  ] as const)("%s makes %s: %s", async (by, role, may) => {
    const account = await makeAccount(uniqueId("ten"));
    const outcome = await account.putMember({ memberId: "mem_new", role }, by);
    expect(outcome).toEqual(may ? { ok: true } : { ok: false, reason: "not_yours" });
  });

  it("an admin neither demotes nor removes an owner, nor opens the owner's session", async () => {
    const { account } = await team();
    const refused = { ok: false, reason: "not_yours" };
    const as = (role: Role) => ({ memberId: "mem_owner", role });
    expect(await account.putMember(as("viewer"), "admin")).toEqual(refused);
    expect(await account.removeMember("mem_owner", "admin")).toEqual(refused);
    expect(await account.addLogin(loginOf("mem_owner"), "admin")).toEqual(refused);
    expect(await account.closeSession("ses_owner", "admin")).toBe(false);
  });

  it("the last owner stays one, unless the operator says otherwise", async () => {
    const { account } = await team();
    const last = { ok: false, reason: "last_owner" };
    const demoted = { memberId: "mem_owner", role: "viewer" } as const;
    expect(await account.putMember(demoted, "owner")).toEqual(last);
    expect(await account.removeMember("mem_owner", "owner")).toEqual(last);
    await account.putMember({ memberId: "mem_admin", role: "owner" }, "owner");
    expect(await account.putMember(demoted, "owner")).toEqual({ ok: true });
    expect(await account.removeMember("mem_admin", null)).toEqual({ ok: true });
  });
});
