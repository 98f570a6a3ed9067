// The comparison of account and ledger, after real usage and after a fault that the test makes.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { asAdmin, chat, newTenant, send } from "../../test/live-edge.ts";
import { answerWith, linkNode, type WireNode } from "../../test/wire-node.ts";

const SAME_COLUMNS = `attempt, entry_seq, tenant_id, project_id, key_id, node_id, epoch, model, price_version,
  finish_reason, prompt_tokens, computed_prompt_tokens, computed_cached_tokens, computed_output_tokens,
  billed_prompt_tokens, billed_cached_tokens, billed_output_tokens, billed_nano_usd, received_at_ms, queue_ms, ended_at_ms`;

let node: WireNode | undefined;
afterEach(() => node?.close());

describe("GET .../reconciliation", () => {
  it("balances account and ledger, and shows an entry that one of them lacks", async () => {
    node = await linkNode("reconciled", answerWith(["Hi", "."]));
    const { tenantId, key } = await newTenant();
    const messages = [{ role: "user", content: "Hi" }];
    expect((await chat(key, { messages, max_tokens: 5 })).status).toBe(200);
    const read = async () =>
      (await asAdmin("GET", `/tenants/${tenantId}/reconciliation`)).json<Record<string, unknown>>();
    // 5 prompt tokens at 100 nano-USD and 2 of output at 400.
    await expect.poll(read, { timeout: 10_000 }).toMatchObject({
      object: "fairlane.reconciliation",
      tenant_id: tenantId,
      account: { entries: 1, cost_nano_usd: 1_300 },
      waiting: { entries: 0, cost_nano_usd: 0 },
      ledger: { entries: 1, cost_nano_usd: 1_300 },
      difference: { entries: 0, nano_usd: 0 },
      is_balanced: true,
    });
    await env.LEDGER_DB.prepare(
      `INSERT INTO ledger_entries (request_id, ${SAME_COLUMNS}) SELECT 'req_stray', ${SAME_COLUMNS}
       FROM ledger_entries WHERE tenant_id = ?`,
    )
      .bind(tenantId)
      .run();
    expect(await read()).toMatchObject({
      difference: { entries: -1, nano_usd: -1_300 },
      is_balanced: false,
    });
    // And so does the job, for all tenants.
    expect((await asAdmin("POST", "/jobs/reconcile/run")).status).toBe(200);
    const list = await (await asAdmin("GET", "/reconciliation?limit=1")).json();
    expect(list).toMatchObject({
      data: [
        {
          object: "fairlane.reconciliation_result",
          tenant_id: tenantId,
          is_balanced: false,
          is_exact: true,
          account_difference: { entries: -1, nano_usd: -1_300 },
          journal_difference: { sources_checked: 1, sources_differing: 1, records: -1 },
        },
      ],
      unbalanced_count: 1,
      is_balanced: false,
    });
    const rest = await (await asAdmin("GET", `/reconciliation?after=${tenantId}`)).json();
    expect(rest).not.toMatchObject({ data: [{ is_balanced: false }] });
  });

  it("is the operator's alone", async () => {
    const { tenantId, key } = await newTenant();
    const path = `/v1/fairlane/admin/tenants/${tenantId}/reconciliation`;
    expect((await send("GET", path, { credential: key })).status).toBe(401);
    expect((await asAdmin("GET", "/tenants/ten_x/reconciliation")).status).toBe(404);
  });
});
