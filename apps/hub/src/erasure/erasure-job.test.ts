// Erasure over real databases, buckets and objects: afterwards nothing of what was personal is anywhere, the ledger's sums
// are what they were, the account refuses everything, and a crash at any point loses nothing.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import {
  accountOf,
  admitInput,
  configOf,
  keyOf,
  ledgerOf,
  recordOf,
  runAlarms,
} from "../../test/usage.ts";
import type { HubEnv } from "../env.ts";
import { erasureJob } from "./erasure-job.ts";

/** In whatever tells of a person or of content. */
const MARK = "zebra-person";
const START_MS = 1_793_491_200_000;
/** Past the time in which usage may still come. */
const LATER_MS = START_MS + 3_600_000 + 600_000;
const AUDIT_SQL = `INSERT INTO audit_log (id, at_ms, tenant_id, actor_kind, actor_id, action, target, ip, request_id, details)
  VALUES (?, 1, ?, 'member', 'mem_1', ?, 't', '192.0.2.77', 'req_1', ?)`;

let tenantId = "";
let batchId = "";

const sql = (text: string, ...values: unknown[]) =>
  env.CONTROL_DB.prepare(text)
    .bind(...values)
    .run();

beforeEach(async () => {
  tenantId = uniqueId("ten");
  batchId = uniqueId("batch");
  await fillRegister();
  const webhookUrl = `https://${MARK}.example/hook`;
  const account = accountOf(tenantId);
  await account.configure(configOf(tenantId, { webhookUrl }));
  await account.putKey(keyOf({ allowedIps: [`${MARK}/32`] }));
  await account.putMember({ memberId: `mem_${MARK}`, role: "owner" }, null);
  await account.settleMany({
    nodeId: "node-a",
    epoch: 1,
    records: [recordOf(tenantId, 1), recordOf(tenantId, 2)],
  });
  await runAlarms([tenantId]);
  await env.BATCH_RUN.getByName(batchId).begin({
    batchId,
    claim: { tenantId, keyId: "key_a", secretHash: "5e".repeat(32) },
    clientIp: MARK,
    region: "local",
    endpoint: "/v1/chat/completions",
    inputFileId: "file_nowhere",
    metadata: { who: MARK },
    createdAtMs: START_MS,
    expiresAtMs: START_MS + 1,
  });
  for (const kind of ["files", "file-parts", "adapters", "adapter-configs"]) {
    await env.ARTIFACTS.put(`${tenantId}/${kind}/one`, MARK);
  }
  await env.ARTIFACTS.put(`${tenantId}/ledger/2026-11`, "amounts");
  await env.RETAINED.put(`${tenantId}/response/resp_1`, MARK);
});

async function fillRegister(): Promise<void> {
  const [project, adapter] = [uniqueId("prj"), uniqueId("adp")];
  const upload = uniqueId("upload");
  await sql(
    `INSERT INTO tenants (id, name, status, weight, requests_per_minute, tokens_per_minute, parallel_requests, scope_limits,
     budgets, webhook_url, price_version_id, created_at_ms)
     VALUES (?, ?, 'erasing', 1, 1, 1, 1, '[]', ?, ?, 'plan_01kb0000000000000000000001', 1)`,
    ...[tenantId, MARK, `[{"scopeId":"${MARK}"}]`, `https://${MARK}.example`],
  );
  await sql("INSERT INTO projects VALUES (?, ?, ?, 1)", project, tenantId, MARK);
  await sql(
    `INSERT INTO api_keys (id, tenant_id, project_id, name, secret_hash, last_chars, scopes, allowed_ips, created_at_ms)
     VALUES (?, ?, ?, ?, ?, 'abcd', '[]', ?, 1)`,
    ...[uniqueId("key"), tenantId, project, MARK, uniqueId("hash"), `["${MARK}"]`],
  );
  await sql(
    "INSERT INTO members (id, tenant_id, name, email, role, created_at_ms) VALUES (?, ?, ?, ?, 'owner', 1)",
    ...[uniqueId("mem"), tenantId, MARK, `${MARK}@example.com`],
  );
  await sql(
    "INSERT INTO adapters (id, tenant_id, name, base_model, is_pinned, created_at_ms) VALUES (?, ?, ?, 'tiny', 0, 1)",
    ...[adapter, tenantId, MARK],
  );
  await sql(
    `INSERT INTO adapter_versions (id, adapter_id, version, config, weights_bytes, created_at_ms) VALUES (?, ?, 1, ?, 1, 1)`,
    ...[uniqueId("ver"), adapter, `{"note":"${MARK}"}`],
  );
  await sql("INSERT INTO adapter_grants VALUES (?, ?, 1)", adapter, tenantId);
  await sql("INSERT INTO batches VALUES (?, ?, 1)", batchId, tenantId);
  await sql(
    `INSERT INTO files (id, tenant_id, purpose, file_name, byte_count, created_at_ms, expires_at_ms)
     VALUES (?, ?, 'batch', ?, 1, 1, 1)`,
    ...[uniqueId("file"), tenantId, MARK],
  );
  await sql(
    `INSERT INTO uploads (id, tenant_id, file_name, byte_count, created_at_ms, expires_at_ms) VALUES (?, ?, ?, 1, 1, 1)`,
    ...[upload, tenantId, MARK],
  );
  await sql("INSERT INTO upload_pieces VALUES (?, ?, 1, 1)", uniqueId("part"), upload);
  await sql(AUDIT_SQL, uniqueId("aud"), tenantId, "member.added", `{"name":"${MARK}"}`);
  await sql(AUDIT_SQL, uniqueId("aud"), tenantId, "credit.given", '{"amount_nano_usd":7}');
  await sql(
    "INSERT INTO erasures (tenant_id, phase, counts, requested_at_ms) VALUES (?, 'account', '{}', ?)",
    ...[tenantId, START_MS],
  );
}

/** Every row of every table of a database. */
async function dumpOf(database: D1Database): Promise<string> {
  const { results } = await database
    .prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
    )
    .all<{ name: string }>();
  const rows = [];
  for (const { name } of results)
    rows.push(await database.prepare(`SELECT * FROM "${name}"`).all());
  return JSON.stringify(rows.map((table) => table.results));
}

async function storageOf(object: unknown): Promise<string> {
  // Of either class: the type of both at once is too deep for the compiler.
  const stub = object as DurableObjectStub;
  return runInDurableObject(stub, (_, { storage }) => {
    const tables = storage.sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
      .toArray()
      .filter(({ name }) => !name.startsWith("_cf"));
    return JSON.stringify(
      tables.map(({ name }) => [name, storage.sql.exec(`SELECT * FROM "${name}"`).toArray()]),
    );
  });
}

async function objectsOf(bucket: R2Bucket): Promise<readonly string[]> {
  return (await bucket.list({ prefix: `${tenantId}/` })).objects.map(({ key }) => key);
}

async function phaseOf(): Promise<unknown> {
  const { results } = await sql("SELECT phase FROM erasures WHERE tenant_id = ?", tenantId);
  return results[0]?.["phase"];
}

/** Neither databases nor objects nor buckets tell of anybody, and the amounts are there. */
async function expectErased(): Promise<void> {
  expect(await dumpOf(env.CONTROL_DB)).not.toContain(MARK);
  expect(await dumpOf(env.LEDGER_DB)).not.toContain(MARK);
  expect(await objectsOf(env.ARTIFACTS)).toEqual([`${tenantId}/ledger/2026-11`]);
  expect(await objectsOf(env.RETAINED)).toEqual([]);
  expect(await storageOf(env.BATCH_RUN.getByName(batchId))).not.toContain(MARK);
  const account = await storageOf(accountOf(tenantId));
  expect(account).not.toContain(MARK);
  expect(account).not.toContain(tenantId);
  expect(account).toContain('["erasure",[{"id":1,"state":"erased"}]]');
  const entries = await ledgerOf(tenantId);
  expect(entries.map(({ billedNanoUsd }) => billedNanoUsd)).toEqual([22_000, 22_000]);
  const audit = await sql(
    "SELECT action, ip, details FROM audit_log WHERE tenant_id = ? ORDER BY action",
    tenantId,
  );
  expect(audit.results).toEqual([
    { action: "credit.given", ip: null, details: '{"amount_nano_usd":7}' },
    { action: "member.added", ip: null, details: "{}" },
    { action: "tenant.erased", ip: null, details: expect.stringContaining("objects") as unknown },
  ]);
  const tenant = await sql("SELECT name, status FROM tenants WHERE id = ?", tenantId);
  expect(tenant.results).toEqual([{ name: "erased", status: "erased" }]);
}

// Many calls of storage: slow on a busy machine.
describe("an erasure", { timeout: 30_000 }, () => {
  it("takes everything personal out, waits for the last usage, and keeps the amounts", async () => {
    expect(await dumpOf(env.CONTROL_DB)).toContain(MARK);
    expect(await storageOf(accountOf(tenantId))).toContain(MARK);
    expect(await storageOf(env.BATCH_RUN.getByName(batchId))).toContain(MARK);
    await erasureJob.run(env, START_MS);
    expect(await phaseOf()).toBe("settling");
    // Nobody gets in, and usage that was under way is still billed.
    const refused = await accountOf(tenantId).admit(admitInput(tenantId));
    expect(refused).toMatchObject({ ok: false, error: { code: "invalid_api_key" } });
    await accountOf(tenantId).settleMany({
      nodeId: "node-b",
      epoch: 1,
      records: [recordOf(tenantId, 1, { request_id: `req_${tenantId}_late` })],
    });
    // And what ended work has written since is gone in the end.
    await env.RETAINED.put(`${tenantId}/response/resp_2`, MARK);
    await erasureJob.run(env, LATER_MS - 1);
    expect(await phaseOf()).toBe("settling");
    await runAlarms([tenantId]);
    const before = (await ledgerOf(tenantId)).length;
    expect(before).toBe(3);
    expect(await erasureJob.run(env, LATER_MS)).toMatchObject({ figures: { erasedCount: 1 } });
    expect(await phaseOf()).toBe("done");
    expect((await ledgerOf(tenantId)).length).toBe(before);
    expect(await storageOf(accountOf(tenantId))).not.toContain(MARK);
    expect(await objectsOf(env.RETAINED)).toEqual([]);
  });

  it("leaves an account that takes nothing any more", async () => {
    await erasureJob.run(env, START_MS);
    await erasureJob.run(env, LATER_MS);
    await expectErased();
    await runInDurableObject(accountOf(tenantId), async (account) => {
      const credit = { grantId: "g", grantedNanoUsd: 1, expiresAtMs: null };
      const member = { memberId: "m", role: "owner" } as const;
      await expect(account.configure(configOf(tenantId))).rejects.toThrow("erased");
      await expect(account.putKey(keyOf())).rejects.toThrow("erased");
      await expect(account.putMember(member, null)).rejects.toThrow("erased");
      await expect(account.grantCredit(credit)).rejects.toThrow("erased");
    });
    const refused = await accountOf(tenantId).admit(admitInput(tenantId));
    expect(refused).toMatchObject({ ok: false, error: { code: "invalid_api_key" } });
  });

  it("is taken up where it was cut off, wherever that was", async () => {
    let crashes = 0;
    for (let calls = 1; (await phaseOf()) !== "done"; calls++) {
      await erasureJob.run(crashingAfter(calls), LATER_MS).catch(() => (crashes += 1));
    }
    expect(crashes).toBeGreaterThan(5);
    await expectErased();
  });
});

/** The environment whose storage fails from some call on. */
function crashingAfter(calls: number): HubEnv {
  let left = calls;
  const tick = (): void => {
    if ((left -= 1) < 0) throw new Error("crashed");
  };
  const bucketOf = (bucket: R2Bucket) => ({
    list: (...args: Parameters<R2Bucket["list"]>) => (tick(), bucket.list(...args)),
    delete: (...args: Parameters<R2Bucket["delete"]>) => (tick(), bucket.delete(...args)),
  });
  const { CONTROL_DB: db, TENANT_ACCOUNT: accounts, BATCH_RUN: batches } = env;
  const crashing = {
    ARTIFACTS: bucketOf(env.ARTIFACTS),
    RETAINED: bucketOf(env.RETAINED),
    CONTROL_DB: {
      prepare: (text: string) => db.prepare(text),
      batch: (all: D1PreparedStatement[]) => (tick(), db.batch(all)),
    },
    TENANT_ACCOUNT: { getByName: (name: string) => (tick(), accounts.getByName(name)) },
    BATCH_RUN: { getByName: (name: string) => (tick(), batches.getByName(name)) },
  };
  return { ...env, ...crashing } as unknown as HubEnv;
}
