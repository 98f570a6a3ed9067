// Everything that the platform has of a tenant, as lines of JSON while it is read: for its owners, and for the operator.
// The last line says how much it was, so that an export that was cut off shows. Contents of files and weights of adapters
// are named, not carried; text of stored responses is carried for owners, whose authorisation brings the key to it.
import {
  exportLedger,
  exportRegister,
  ledgerOf,
  listBatches,
  RetainedStore,
  type Tenant,
} from "@fairlane/db";
import type { Caller } from "@fairlane/protocol";
import { audited } from "../auth/audit-entry.ts";
import { authorize, authorizeOperator } from "../auth/authorize.ts";
import { accountOf, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { batchBody } from "../files/batch-body.ts";
import { EXPORT_LIST_ENTRIES_MAX } from "../limits.ts";
import { tenantBody } from "./account-config.ts";
import { existingTenant } from "./admin-tenants.ts";

interface ExportSource {
  readonly deps: EdgeDependencies;
  readonly tenant: Tenant;
  /** Null: text of responses is only named. */
  readonly retainedKey: string | null;
}

interface ExportLine {
  readonly type: string;
  readonly data: object;
}

/** GET /v1/fairlane/export */
export function ownExportRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const { caller, retainedKey = null } = await authorize(context, deps, "tenant:export");
    const tenant = await existingTenant(deps, caller.tenantId);
    return exportAnswer(context, caller, { deps, tenant, retainedKey });
  };
}

/** GET /v1/fairlane/admin/tenants/{tenant}/export */
export function tenantExportRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const tenantId = context.req.param("tenant") ?? "";
    const caller = await authorizeOperator(context, deps, tenantId);
    const tenant = await existingTenant(deps, tenantId);
    return exportAnswer(context, caller, { deps, tenant, retainedKey: null });
  };
}

async function exportAnswer(
  context: EdgeContext,
  caller: Caller,
  source: ExportSource,
): Promise<Response> {
  const { deps, tenant } = source;
  await audited(context, deps, { caller, action: "tenant.exported", target: tenant.id });
  const requestId = context.get("requestId");
  const lines = withEnd(linesOf(source));
  const encoder = new TextEncoder();
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await lines.next();
        if (isCancelled) return;
        if (next.done === true) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(next.value)}\n`));
      } catch (error) {
        if (isCancelled) return;
        logFailure("export_failed", requestId, error);
        controller.error(error);
      }
    },
    async cancel() {
      isCancelled = true;
      await lines.return(undefined);
    },
  });
  const headers = { "content-type": "application/x-ndjson", "cache-control": "no-store" };
  return new Response(body, { headers });
}

async function* withEnd(lines: AsyncGenerator<ExportLine>): AsyncGenerator<ExportLine, void> {
  const counts: Record<string, number> = {};
  for await (const line of lines) {
    counts[line.type] = (counts[line.type] ?? 0) + 1;
    yield line;
  }
  yield { type: "end", data: { counts } };
}

async function* linesOf(source: ExportSource): AsyncGenerator<ExportLine> {
  const { deps, tenant } = source;
  yield { type: "tenant", data: tenantBody(tenant) };
  const account = accountOf(deps, tenant.id);
  yield { type: "funds", data: await account.funds() };
  const { sessions, logins } = await account.listSessions();
  for (const session of sessions) yield { type: "session", data: session };
  for (const login of logins) yield { type: "login_token", data: login };
  for await (const { kind, row } of exportRegister(deps.controlDb, tenant.id)) {
    yield { type: kind, data: kind === "file" ? withContent(row) : row };
  }
  yield* batchLines(source);
  yield* responseLines(source);
  const ledger = ledgerOf(deps.ledgers, tenant.id);
  for await (const { kind, row } of exportLedger(ledger, tenant.id)) {
    yield { type: kind, data: row };
  }
}

function withContent(row: Readonly<Record<string, unknown>>): object {
  return { ...row, content: `/v1/files/${String(row["id"])}/content` };
}

async function* batchLines({ deps, tenant }: ExportSource): AsyncGenerator<ExportLine> {
  for (let after: string | undefined; ;) {
    const page = { after, countMax: EXPORT_LIST_ENTRIES_MAX };
    const rows = await listBatches(deps.controlDb, tenant.id, page);
    const views = await Promise.all(rows.map(({ id }) => deps.config.batches.getByName(id).view()));
    for (const view of views) if (view !== null) yield { type: "batch", data: batchBody(view) };
    if (rows.length < EXPORT_LIST_ENTRIES_MAX) return;
    after = rows.at(-1)?.id;
  }
}

/** Both halves of each stored response: what was sent and what was answered. */
async function* responseLines(source: ExportSource): AsyncGenerator<ExportLine> {
  const { deps, tenant, retainedKey } = source;
  const { retained: bucket } = deps.config;
  const prefix = `${tenant.id}/response/`;
  const key = retainedKey ?? "";
  const store = new RetainedStore({ bucket, tenantId: tenant.id, key, random: deps.random });
  for (let startAfter: string | undefined; ;) {
    const from = startAfter === undefined ? {} : { startAfter };
    const listed = await bucket.list({ prefix, limit: EXPORT_LIST_ENTRIES_MAX, ...from });
    for (const object of listed.objects) {
      const id = object.key.slice(prefix.length);
      const ref = { kind: "response", id } as const;
      const text = retainedKey === null ? undefined : await store.get(ref, deps.clock.nowMs());
      const content: unknown = text === undefined ? null : JSON.parse(text);
      yield { type: "stored_response", data: { id, content } };
    }
    startAfter = listed.objects.at(-1)?.key;
    if (!listed.truncated) return;
  }
}
