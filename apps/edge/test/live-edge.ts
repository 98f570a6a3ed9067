// The edge script as it runs, over the real hub script, driven through its public API only: makes tenants and keys
// as an operator does and sends requests as a client does.
import { exports } from "cloudflare:workers";

/** Its hash is in the vitest configuration. */
export const ADMIN_TOKEN = "fla1_0001081g81860w40j2gb1g6gw3rg2491650n2rbhg68t3ce1t7gz";

export interface TestTenant {
  readonly tenantId: string;
  readonly keyId: string;
  readonly projectId: string;
  readonly key: string;
}

/** Sends any request. */
export function send(
  method: string,
  path: string,
  options: {
    readonly credential?: string;
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<Response> {
  const headers = new Headers(options.headers);
  if (options.credential !== undefined) {
    headers.set("authorization", `Bearer ${options.credential}`);
  }
  const body = options.body === undefined ? {} : { body: JSON.stringify(options.body) };
  return exports.default.fetch(
    new Request(`https://edge.test${path}`, { method, headers, ...body }),
  );
}

/** An administrative call as the operator. */
export function asAdmin(method: string, path: string, body?: unknown): Promise<Response> {
  return send(method, `/v1/fairlane/admin${path}`, { credential: ADMIN_TOKEN, body });
}

/** POSTs a chat request. */
export function chat(credential: string, body: unknown): Promise<Response> {
  return send("POST", "/v1/chat/completions", { credential, body });
}

async function created(response: Response): Promise<Record<string, string>> {
  if (response.status === 201) return response.json();
  throw new Error(`expected 201, got ${response.status}: ${await response.text()}`);
}

/** Makes a key of a tenant. */
export async function newKey(tenantId: string, wanted: object = {}) {
  const key = await created(await asAdmin("POST", `/tenants/${tenantId}/keys`, wanted));
  return { keyId: key["id"] ?? "", key: key["key"] ?? "" };
}

/** Makes a tenant with a key. */
export async function newTenant(wanted: object = {}): Promise<TestTenant> {
  const tenant = await created(await asAdmin("POST", "/tenants", { name: "a tenant", ...wanted }));
  const tenantId = tenant["id"] ?? "";
  const projectId = tenant["default_project_id"] ?? "";
  return { tenantId, projectId, ...(await newKey(tenantId)) };
}

/** The code of an error answer. */
export async function codeOf(response: Response): Promise<string> {
  return (await response.json<{ error: { code: string } }>()).error.code;
}
