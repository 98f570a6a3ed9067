// The entries of the authorisation matrix: for every route of the edge what its owner's call looks like and answers.
// Credentials, scopes and other tenants are tried by the test itself. A new route gets an entry here.
import { exports } from "cloudflare:workers";
import { asAdmin, newTenant, send, type TestTenant } from "./live-edge.ts";
import { newMember, openSession } from "./live-session.ts";

export type Params = Readonly<Record<string, string>>;

export interface MatrixEntry {
  /** What the owner, or the operator, gets. A 400 is a body refused behind the door. */
  readonly ok: number;
  readonly body?: unknown;
  /** A body for each call, where two cannot be the same. */
  readonly newBody?: () => unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Makes the things of the owner's that the path names; one way for each call, since some end them. */
  readonly params?: (owner: Owner) => Promise<Params>;
  /** True when what the path names is no tenant's own. */
  readonly isShared?: boolean;
  /** True of routes that change a tenant's data and nothing that is administered: they are not audited. */
  readonly isData?: boolean;
  /** True of routes whose errors are told in Anthropic's shape. */
  readonly isAnthropic?: boolean;
}

/** A tenant with a key that may do everything a key can, and the session of one of its owners. */
export interface Owner extends TestTenant {
  readonly allKey: string;
  readonly cookie: string;
}

async function idOf(response: Response): Promise<string> {
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json<{ id: string }>()).id;
}

const key = async (owner: Owner): Promise<Params> => ({
  tenant: owner.tenantId,
  key: await idOf(await asAdmin("POST", `/tenants/${owner.tenantId}/keys`, {})),
});

let lastName = 0;
const newAdapter = () => ({ name: `adapter-${++lastName}`, base_model: "tiny" });

async function adapter(owner: Owner): Promise<Params> {
  const options = { credential: owner.allKey, body: newAdapter() };
  return { adapter: await idOf(await send("POST", "/v1/fairlane/adapters", options)) };
}

async function version(owner: Owner): Promise<Params> {
  const made = await adapter(owner);
  const config = { peft_type: "LORA", r: 8, lora_alpha: 16, target_modules: ["q_proj"] };
  const options = { credential: owner.allKey, body: { config, bytes: 64 } };
  const path = `/v1/fairlane/adapters/${made["adapter"]}/versions`;
  const response = await send("POST", path, options);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return { ...made, version: "1", part: "1" };
}

async function grantee(owner: Owner): Promise<Params> {
  return { ...(await adapter(owner)), tenant: (await newTenant()).tenantId };
}

async function grant(owner: Owner): Promise<Params> {
  const params = await grantee(owner);
  const path = `/v1/fairlane/adapters/${params["adapter"]}/grants/${params["tenant"]}`;
  await send("PUT", path, { credential: owner.allKey });
  return params;
}

const response = (): Promise<Params> =>
  Promise.resolve({ response: "resp_01jd0000000000000000000009" });

async function file(owner: Owner): Promise<Params> {
  const body = new FormData();
  body.set("purpose", "batch");
  body.set("file", new File(["{}"], "in.jsonl"));
  const headers = { authorization: `Bearer ${owner.allKey}` };
  const request = new Request("https://edge.test/v1/files", { method: "POST", headers, body });
  return { file: await idOf(await exports.default.fetch(request)) };
}

async function upload(owner: Owner): Promise<Params> {
  const options = { credential: owner.allKey, body: UPLOAD_BODY };
  return { upload: await idOf(await send("POST", "/v1/uploads", options)) };
}

async function batch(owner: Owner): Promise<Params> {
  const body = {
    input_file_id: (await file(owner))["file"],
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
  };
  const options = { credential: owner.allKey, body };
  return { batch: await idOf(await send("POST", "/v1/batches", options)) };
}

const UPLOAD_BODY = {
  bytes: 2,
  filename: "in.jsonl",
  mime_type: "text/jsonl",
  purpose: "batch",
};

async function member(owner: Owner): Promise<Params> {
  const { memberId } = await newMember(owner.tenantId, "viewer");
  return { tenant: owner.tenantId, member: memberId };
}

async function session(owner: Owner): Promise<Params> {
  const { loginToken } = await newMember(owner.tenantId, "viewer");
  const opened = await openSession({ login_token: loginToken });
  return { tenant: owner.tenantId, session: await idOf(opened) };
}

const ADJUSTMENT = { amount_nano_usd: -5, reason: "goodwill" };
let lastAdjustment = 0;
const newAdjustment = () => ({ ...ADJUSTMENT, id: `adj-${++lastAdjustment}` });

let lastMonth = 0;
/** Months from 2000 on, each later than those before: a later one's invoice takes the entries of an earlier one. */
const newPeriod = () => ({
  period: new Date(Date.UTC(2000, ++lastMonth)).toISOString().slice(0, 7),
});

async function draft(owner: Owner): Promise<Params> {
  const made = await asAdmin("POST", `/tenants/${owner.tenantId}/invoices`, newPeriod());
  return { tenant: owner.tenantId, invoice: await idOf(made) };
}

async function invoice(owner: Owner): Promise<Params> {
  const params = await draft(owner);
  const path = `/tenants/${owner.tenantId}/invoices/${params["invoice"]}/finalize`;
  await idOf(await asAdmin("POST", path, {}));
  return params;
}

const project = (owner: Owner): Promise<Params> =>
  Promise.resolve({ tenant: owner.tenantId, project: owner.projectId });

const tenant = (owner: Owner): Promise<Params> => Promise.resolve({ tenant: owner.tenantId });

const NAME = { name: "renamed" };
const MEMBER = { name: "a member", role: "viewer" };
const KEY_BODY = { scopes: ["inference"] };
const ADMIN = "/v1/fairlane/admin";
const AT = `${ADMIN}/tenants/:tenant`;
const ADAPTERS = "/v1/fairlane/adapters";

/** By method and path. */
export const MATRIX: Readonly<Record<string, MatrixEntry>> = {
  "POST /v1/chat/completions": { ok: 400, body: {} },
  "POST /v1/completions": { ok: 400, body: {} },
  "POST /v1/embeddings": { ok: 400, body: {} },
  "POST /v1/messages": { ok: 400, body: {}, isAnthropic: true },
  "POST /v1/messages/count_tokens": { ok: 400, body: {}, isAnthropic: true },
  "POST /v1/responses": { ok: 400, body: {} },
  "POST /v1/responses/input_tokens": { ok: 400, body: {} },
  // Without a node there is no response of anybody's; that one tenant does not read another's has tests of its own.
  "GET /v1/responses/:response": { ok: 404, params: response },
  "DELETE /v1/responses/:response": { ok: 404, params: response },
  "GET /v1/responses/:response/input_items": { ok: 404, params: response },
  "POST /v1/responses/:response/cancel": { ok: 404, params: response },
  "GET /v1/models": { ok: 200 },
  // The region has no node here, hence no model and no answer.
  "GET /v1/models/:model{.+}": {
    ok: 404,
    isShared: true,
    params: () => Promise.resolve({ model: "tiny" }),
  },
  "GET /v1/fairlane/requests/:request/stream": {
    ok: 400,
    isShared: true,
    headers: { "last-event-id": "none" },
    params: () => Promise.resolve({ request: "req_01jd0000000000000000000009" }),
  },
  "GET /v1/fairlane/usage": { ok: 200 },
  "GET /v1/fairlane/fair-share": { ok: 200 },
  "GET /v1/fairlane/budgets": { ok: 200 },
  "GET /v1/fairlane/costs": { ok: 200 },
  [`GET ${AT}/costs`]: { ok: 200, params: tenant },
  "GET /v1/fairlane/invoices": { ok: 200 },
  "GET /v1/fairlane/invoices/:invoice": { ok: 200, params: invoice },
  [`GET ${AT}/invoices`]: { ok: 200, params: tenant },
  [`GET ${AT}/invoices/:invoice`]: { ok: 200, params: draft },
  [`POST ${AT}/invoices`]: { ok: 201, params: tenant, newBody: newPeriod },
  [`POST ${AT}/invoices/:invoice/finalize`]: { ok: 200, params: draft, body: {} },
  [`POST ${AT}/invoices/:invoice/void`]: { ok: 200, params: invoice, body: { reason: "wrong" } },
  [`POST ${AT}/adjustments`]: { ok: 201, params: tenant, newBody: newAdjustment },
  [`GET ${AT}/adjustments`]: { ok: 200, params: tenant },
  [`GET ${AT}/reconciliation`]: { ok: 200, params: tenant },
  "GET /v1/fairlane/credits": { ok: 200 },
  "GET /v1/fairlane/audit-log": { ok: 200 },

  "GET /v1/fairlane/keys": { ok: 200 },
  "POST /v1/fairlane/keys": { ok: 201, body: KEY_BODY },
  "GET /v1/fairlane/keys/:key": { ok: 200, params: key },
  "PATCH /v1/fairlane/keys/:key": { ok: 200, params: key, body: {} },
  "POST /v1/fairlane/keys/:key/rotate": { ok: 201, params: key, body: {} },
  "DELETE /v1/fairlane/keys/:key": { ok: 200, params: key },

  "POST /v1/files": { ok: 400, body: {} },
  "GET /v1/files": { ok: 200 },
  "GET /v1/files/:file": { ok: 200, params: file },
  "GET /v1/files/:file/content": { ok: 200, params: file },
  "DELETE /v1/files/:file": { ok: 200, params: file, isData: true },
  "POST /v1/uploads": { ok: 200, body: UPLOAD_BODY, isData: true },
  "POST /v1/uploads/:upload/parts": { ok: 400, params: upload, body: {} },
  "POST /v1/uploads/:upload/complete": { ok: 400, params: upload, body: {} },
  "POST /v1/uploads/:upload/cancel": { ok: 200, params: upload, isData: true },
  "POST /v1/batches": { ok: 400, body: {} },
  "GET /v1/batches": { ok: 200 },
  "GET /v1/batches/:batch": { ok: 200, params: batch },
  "POST /v1/batches/:batch/cancel": { ok: 200, params: batch, isData: true },

  "GET /v1/fairlane/session": { ok: 200 },
  // A key has no session of its own to end.
  "DELETE /v1/fairlane/session": { ok: 404 },
  "GET /v1/fairlane/projects": { ok: 200 },
  "POST /v1/fairlane/projects": { ok: 201, body: NAME },
  "PATCH /v1/fairlane/projects/:project": { ok: 200, params: project, body: NAME },
  "GET /v1/fairlane/members": { ok: 200 },
  "POST /v1/fairlane/members": { ok: 201, body: MEMBER },
  "PATCH /v1/fairlane/members/:member": { ok: 200, params: member, body: NAME },
  "DELETE /v1/fairlane/members/:member": { ok: 200, params: member },
  "POST /v1/fairlane/members/:member/login-tokens": { ok: 201, params: member, body: {} },
  "GET /v1/fairlane/sessions": { ok: 200 },
  "DELETE /v1/fairlane/sessions/:session": { ok: 200, params: session },

  [`POST ${ADAPTERS}`]: { ok: 201, newBody: newAdapter },
  [`GET ${ADAPTERS}`]: { ok: 200 },
  [`GET ${ADAPTERS}/:adapter`]: { ok: 200, params: adapter },
  [`PATCH ${ADAPTERS}/:adapter`]: { ok: 200, params: adapter, body: { pinned: true } },
  [`DELETE ${ADAPTERS}/:adapter`]: { ok: 200, params: adapter },
  [`POST ${ADAPTERS}/:adapter/versions`]: { ok: 400, params: adapter, body: {} },
  [`PUT ${ADAPTERS}/:adapter/versions/:version/content`]: { ok: 400, params: version, body: {} },
  // Nothing was sent yet.
  [`GET ${ADAPTERS}/:adapter/versions/:version/content`]: { ok: 404, params: version },
  [`PUT ${ADAPTERS}/:adapter/versions/:version/parts/:part`]: {
    ok: 400,
    params: version,
    body: {},
  },
  [`POST ${ADAPTERS}/:adapter/versions/:version/complete`]: { ok: 400, params: version },
  [`PUT ${ADAPTERS}/:adapter/grants/:tenant`]: { ok: 200, params: grantee },
  [`DELETE ${ADAPTERS}/:adapter/grants/:tenant`]: { ok: 200, params: grant },

  [`GET ${ADMIN}/fair-share`]: { ok: 200 },
  [`GET ${ADMIN}/audit-log`]: { ok: 200 },
  [`GET ${ADMIN}/reconciliation`]: { ok: 200 },
  [`GET ${ADMIN}/billing-export`]: { ok: 404 },
  [`PUT ${ADMIN}/billing-export`]: { ok: 400, body: {} },
  [`DELETE ${ADMIN}/billing-export`]: { ok: 404 },
  [`POST ${ADMIN}/billing-export/retry`]: { ok: 404 },
  [`GET ${AT}/billing-customer`]: { ok: 200, params: tenant },
  [`PUT ${AT}/billing-customer`]: { ok: 200, params: tenant, body: { customer_id: "cus_1" } },
  [`GET ${ADMIN}/jobs`]: { ok: 200 },
  [`POST ${ADMIN}/jobs/:job/run`]: {
    ok: 200,
    isShared: true,
    params: () => Promise.resolve({ job: "retained-sweep" }),
  },
  [`GET ${ADMIN}/prices`]: { ok: 200 },
  [`POST ${ADMIN}/prices`]: { ok: 400, body: {} },
  [`POST ${ADMIN}/tenants`]: { ok: 201, body: { name: "made" } },
  [`GET ${AT}`]: { ok: 200, params: tenant },
  [`PATCH ${AT}`]: { ok: 200, params: tenant, body: {} },
  [`GET ${AT}/budgets`]: { ok: 200, params: tenant },
  [`GET ${AT}/credits`]: { ok: 200, params: tenant },
  [`POST ${AT}/credits`]: { ok: 400, params: tenant, body: {} },
  [`GET ${AT}/webhook`]: { ok: 200, params: tenant },
  [`GET ${AT}/usage`]: { ok: 200, params: tenant },
  [`GET ${AT}/audit-log`]: { ok: 200, params: tenant },
  [`GET ${AT}/keys`]: { ok: 200, params: tenant },
  [`POST ${AT}/keys`]: { ok: 201, params: tenant, body: {} },
  [`GET ${AT}/keys/:key`]: { ok: 200, params: key },
  [`PATCH ${AT}/keys/:key`]: { ok: 200, params: key, body: {} },
  [`POST ${AT}/keys/:key/rotate`]: { ok: 201, params: key, body: {} },
  [`DELETE ${AT}/keys/:key`]: { ok: 200, params: key },
  [`GET ${AT}/projects`]: { ok: 200, params: tenant },
  [`POST ${AT}/projects`]: { ok: 201, params: tenant, body: NAME },
  [`PATCH ${AT}/projects/:project`]: { ok: 200, params: project, body: NAME },
  [`GET ${AT}/members`]: { ok: 200, params: tenant },
  [`POST ${AT}/members`]: { ok: 201, params: tenant, body: MEMBER },
  [`PATCH ${AT}/members/:member`]: { ok: 200, params: member, body: NAME },
  [`DELETE ${AT}/members/:member`]: { ok: 200, params: member },
  [`POST ${AT}/members/:member/login-tokens`]: { ok: 201, params: member, body: {} },
  [`GET ${AT}/sessions`]: { ok: 200, params: tenant },
  [`DELETE ${AT}/sessions/:session`]: { ok: 200, params: session },
};

/** What anybody may call. */
export const PUBLIC: readonly string[] = [
  "GET /health",
  "GET /ready",
  // Its secret is in the body.
  "POST /v1/fairlane/sessions",
  "GET /openapi.json",
  "GET /docs",
];
