// The entries of the authorisation matrix: for every route of the edge what its owner's call looks like and answers.
// Credentials, scopes and other tenants are tried by the test itself. A new route gets an entry here.
import type { Owner, Params } from "./matrix-things.ts";
import * as things from "./matrix-things.ts";

export type { Owner, Params } from "./matrix-things.ts";

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
  /** True of a route that changes nothing and is audited all the same. */
  readonly isNoted?: boolean;
  /** True of routes whose errors are told in Anthropic's shape. */
  readonly isAnthropic?: boolean;
}

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
  "GET /v1/responses/:response": { ok: 404, params: things.response },
  "DELETE /v1/responses/:response": { ok: 404, params: things.response },
  "GET /v1/responses/:response/input_items": { ok: 404, params: things.response },
  "POST /v1/responses/:response/cancel": { ok: 404, params: things.response },
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
  "PUT /v1/fairlane/budgets/:scope/:window/:mode": {
    ok: 200,
    params: things.budget,
    body: { limit_nano_usd: 1_000_000_000_000 },
  },
  "DELETE /v1/fairlane/budgets/:scope/:window/:mode": { ok: 200, params: things.setBudget },
  "PUT /v1/fairlane/webhook": { ok: 200, body: { url: "https://hooks.example/alerts" } },
  "GET /v1/fairlane/costs": { ok: 200 },
  [`GET ${AT}/costs`]: { ok: 200, params: things.tenant },
  "GET /v1/fairlane/invoices": { ok: 200 },
  "GET /v1/fairlane/invoices/:invoice": { ok: 200, params: things.invoice },
  [`GET ${AT}/invoices`]: { ok: 200, params: things.tenant },
  [`GET ${AT}/invoices/:invoice`]: { ok: 200, params: things.draft },
  [`POST ${AT}/invoices`]: { ok: 201, params: things.tenant, newBody: things.newPeriod },
  [`POST ${AT}/invoices/:invoice/finalize`]: { ok: 200, params: things.draft, body: {} },
  [`POST ${AT}/invoices/:invoice/void`]: {
    ok: 200,
    params: things.invoice,
    body: { reason: "wrong" },
  },
  [`POST ${AT}/adjustments`]: { ok: 201, params: things.tenant, newBody: things.newAdjustment },
  [`GET ${AT}/adjustments`]: { ok: 200, params: things.tenant },
  [`GET ${AT}/reconciliation`]: { ok: 200, params: things.tenant },
  "GET /v1/fairlane/credits": { ok: 200 },
  "GET /v1/fairlane/audit-log": { ok: 200 },

  "GET /v1/fairlane/keys": { ok: 200 },
  "POST /v1/fairlane/keys": { ok: 201, body: KEY_BODY },
  "GET /v1/fairlane/keys/:key": { ok: 200, params: things.key },
  "PATCH /v1/fairlane/keys/:key": { ok: 200, params: things.key, body: {} },
  "POST /v1/fairlane/keys/:key/rotate": { ok: 201, params: things.key, body: {} },
  "DELETE /v1/fairlane/keys/:key": { ok: 200, params: things.key },

  "POST /v1/files": { ok: 400, body: {} },
  "GET /v1/files": { ok: 200 },
  "GET /v1/files/:file": { ok: 200, params: things.file },
  "GET /v1/files/:file/content": { ok: 200, params: things.file },
  "DELETE /v1/files/:file": { ok: 200, params: things.file, isData: true },
  "POST /v1/uploads": { ok: 200, body: things.UPLOAD_BODY, isData: true },
  "POST /v1/uploads/:upload/parts": { ok: 400, params: things.upload, body: {} },
  "POST /v1/uploads/:upload/complete": { ok: 400, params: things.upload, body: {} },
  "POST /v1/uploads/:upload/cancel": { ok: 200, params: things.upload, isData: true },
  "POST /v1/batches": { ok: 400, body: {} },
  "GET /v1/batches": { ok: 200 },
  "GET /v1/batches/:batch": { ok: 200, params: things.batch },
  "POST /v1/batches/:batch/cancel": { ok: 200, params: things.batch, isData: true },

  "GET /v1/fairlane/session": { ok: 200 },
  // A key has no session of its own to end.
  "DELETE /v1/fairlane/session": { ok: 404 },
  "GET /v1/fairlane/projects": { ok: 200 },
  "POST /v1/fairlane/projects": { ok: 201, body: NAME },
  "PATCH /v1/fairlane/projects/:project": { ok: 200, params: things.project, body: NAME },
  "GET /v1/fairlane/members": { ok: 200 },
  "POST /v1/fairlane/members": { ok: 201, body: MEMBER },
  "PATCH /v1/fairlane/members/:member": { ok: 200, params: things.member, body: NAME },
  "DELETE /v1/fairlane/members/:member": { ok: 200, params: things.member },
  "POST /v1/fairlane/members/:member/login-tokens": { ok: 201, params: things.member, body: {} },
  "GET /v1/fairlane/login-tokens": { ok: 200 },
  "DELETE /v1/fairlane/login-tokens/:login": { ok: 200, params: things.login },
  "GET /v1/fairlane/sessions": { ok: 200 },
  "DELETE /v1/fairlane/sessions/:session": { ok: 200, params: things.session },

  [`POST ${ADAPTERS}`]: { ok: 201, newBody: things.newAdapter },
  [`GET ${ADAPTERS}`]: { ok: 200 },
  [`GET ${ADAPTERS}/:adapter`]: { ok: 200, params: things.adapter },
  [`PATCH ${ADAPTERS}/:adapter`]: { ok: 200, params: things.adapter, body: { pinned: true } },
  [`DELETE ${ADAPTERS}/:adapter`]: { ok: 200, params: things.adapter },
  [`POST ${ADAPTERS}/:adapter/versions`]: { ok: 400, params: things.adapter, body: {} },
  [`PUT ${ADAPTERS}/:adapter/versions/:version/content`]: {
    ok: 400,
    params: things.version,
    body: {},
  },
  // Nothing was sent yet.
  [`GET ${ADAPTERS}/:adapter/versions/:version/content`]: { ok: 404, params: things.version },
  [`PUT ${ADAPTERS}/:adapter/versions/:version/parts/:part`]: {
    ok: 400,
    params: things.version,
    body: {},
  },
  [`POST ${ADAPTERS}/:adapter/versions/:version/complete`]: { ok: 400, params: things.version },
  [`PUT ${ADAPTERS}/:adapter/grants/:tenant`]: { ok: 200, params: things.grantee },
  [`DELETE ${ADAPTERS}/:adapter/grants/:tenant`]: { ok: 200, params: things.grant },

  [`GET ${ADMIN}/fair-share`]: { ok: 200 },
  [`GET ${ADMIN}/audit-log`]: { ok: 200 },
  [`GET ${ADMIN}/reconciliation`]: { ok: 200 },
  [`GET ${ADMIN}/billing-export`]: { ok: 404 },
  [`PUT ${ADMIN}/billing-export`]: { ok: 400, body: {} },
  [`DELETE ${ADMIN}/billing-export`]: { ok: 404 },
  [`POST ${ADMIN}/billing-export/retry`]: { ok: 404 },
  [`GET ${AT}/billing-customer`]: { ok: 200, params: things.tenant },
  [`PUT ${AT}/billing-customer`]: {
    ok: 200,
    params: things.tenant,
    body: { customer_id: "cus_1" },
  },
  [`GET ${ADMIN}/jobs`]: { ok: 200 },
  [`POST ${ADMIN}/jobs/:job/run`]: {
    ok: 200,
    isShared: true,
    params: () => Promise.resolve({ job: "retained-sweep" }),
  },
  [`GET ${ADMIN}/prices`]: { ok: 200 },
  [`POST ${ADMIN}/prices`]: { ok: 400, body: {} },
  [`POST ${ADMIN}/tenants`]: { ok: 201, body: { name: "made" } },
  [`GET ${AT}`]: { ok: 200, params: things.tenant },
  [`PATCH ${AT}`]: { ok: 200, params: things.tenant, body: {} },
  // Without the tenant's id once more.
  [`DELETE ${AT}`]: { ok: 400, params: things.tenant, body: {} },
  // None was asked for.
  "GET /v1/fairlane/export": { ok: 200, isNoted: true },
  [`GET ${AT}/export`]: { ok: 200, params: things.tenant, isNoted: true },
  [`GET ${AT}/erasure`]: { ok: 404, params: things.tenant },
  [`GET ${AT}/budgets`]: { ok: 200, params: things.tenant },
  [`GET ${AT}/credits`]: { ok: 200, params: things.tenant },
  [`POST ${AT}/credits`]: { ok: 400, params: things.tenant, body: {} },
  [`GET ${AT}/webhook`]: { ok: 200, params: things.tenant },
  [`GET ${AT}/usage`]: { ok: 200, params: things.tenant },
  [`GET ${AT}/audit-log`]: { ok: 200, params: things.tenant },
  [`GET ${AT}/keys`]: { ok: 200, params: things.tenant },
  [`POST ${AT}/keys`]: { ok: 201, params: things.tenant, body: {} },
  [`GET ${AT}/keys/:key`]: { ok: 200, params: things.key },
  [`PATCH ${AT}/keys/:key`]: { ok: 200, params: things.key, body: {} },
  [`POST ${AT}/keys/:key/rotate`]: { ok: 201, params: things.key, body: {} },
  [`DELETE ${AT}/keys/:key`]: { ok: 200, params: things.key },
  [`GET ${AT}/projects`]: { ok: 200, params: things.tenant },
  [`POST ${AT}/projects`]: { ok: 201, params: things.tenant, body: NAME },
  [`PATCH ${AT}/projects/:project`]: { ok: 200, params: things.project, body: NAME },
  [`GET ${AT}/members`]: { ok: 200, params: things.tenant },
  [`POST ${AT}/members`]: { ok: 201, params: things.tenant, body: MEMBER },
  [`PATCH ${AT}/members/:member`]: { ok: 200, params: things.member, body: NAME },
  [`DELETE ${AT}/members/:member`]: { ok: 200, params: things.member },
  [`POST ${AT}/members/:member/login-tokens`]: { ok: 201, params: things.member, body: {} },
  [`GET ${AT}/login-tokens`]: { ok: 200, params: things.tenant },
  [`DELETE ${AT}/login-tokens/:login`]: { ok: 200, params: things.login },
  [`GET ${AT}/sessions`]: { ok: 200, params: things.tenant },
  [`DELETE ${AT}/sessions/:session`]: { ok: 200, params: things.session },
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
