// Makes the things of an owner that paths of the authorisation matrix name: one way for each call, since some end them.
import { exports } from "cloudflare:workers";
import { asAdmin, newTenant, send, type TestTenant } from "./live-edge.ts";
import { newMember, openSession } from "./live-session.ts";

export type Params = Readonly<Record<string, string>>;

/** A tenant with a key that may do everything a key can, and the session of one of its owners. */
export interface Owner extends TestTenant {
  readonly allKey: string;
  readonly cookie: string;
}

async function idOf(response: Response): Promise<string> {
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json<{ id: string }>()).id;
}

export const key = async (owner: Owner): Promise<Params> => ({
  tenant: owner.tenantId,
  key: await idOf(await asAdmin("POST", `/tenants/${owner.tenantId}/keys`, {})),
});

let lastName = 0;
export const newAdapter = () => ({ name: `adapter-${++lastName}`, base_model: "tiny" });

export async function adapter(owner: Owner): Promise<Params> {
  const options = { credential: owner.allKey, body: newAdapter() };
  return { adapter: await idOf(await send("POST", "/v1/fairlane/adapters", options)) };
}

export async function version(owner: Owner): Promise<Params> {
  const made = await adapter(owner);
  const config = { peft_type: "LORA", r: 8, lora_alpha: 16, target_modules: ["q_proj"] };
  const options = { credential: owner.allKey, body: { config, bytes: 64 } };
  const path = `/v1/fairlane/adapters/${made["adapter"]}/versions`;
  const response = await send("POST", path, options);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return { ...made, version: "1", part: "1" };
}

export async function grantee(owner: Owner): Promise<Params> {
  return { ...(await adapter(owner)), tenant: (await newTenant()).tenantId };
}

export async function grant(owner: Owner): Promise<Params> {
  const params = await grantee(owner);
  const path = `/v1/fairlane/adapters/${params["adapter"]}/grants/${params["tenant"]}`;
  await send("PUT", path, { credential: owner.allKey });
  return params;
}

export const response = (): Promise<Params> =>
  Promise.resolve({ response: "resp_01jd0000000000000000000009" });

export async function file(owner: Owner): Promise<Params> {
  const body = new FormData();
  body.set("purpose", "batch");
  body.set("file", new File(["{}"], "in.jsonl"));
  const headers = { authorization: `Bearer ${owner.allKey}` };
  const request = new Request("https://edge.test/v1/files", { method: "POST", headers, body });
  return { file: await idOf(await exports.default.fetch(request)) };
}

export async function upload(owner: Owner): Promise<Params> {
  const options = { credential: owner.allKey, body: UPLOAD_BODY };
  return { upload: await idOf(await send("POST", "/v1/uploads", options)) };
}

export async function batch(owner: Owner): Promise<Params> {
  const body = {
    input_file_id: (await file(owner))["file"],
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
  };
  const options = { credential: owner.allKey, body };
  return { batch: await idOf(await send("POST", "/v1/batches", options)) };
}

export const UPLOAD_BODY = {
  bytes: 2,
  filename: "in.jsonl",
  mime_type: "text/jsonl",
  purpose: "batch",
};

export async function member(owner: Owner): Promise<Params> {
  const { memberId } = await newMember(owner.tenantId, "viewer");
  return { tenant: owner.tenantId, member: memberId };
}

export async function login(owner: Owner): Promise<Params> {
  const { loginId } = await newMember(owner.tenantId, "viewer");
  return { tenant: owner.tenantId, login: loginId };
}

export async function session(owner: Owner): Promise<Params> {
  const { loginToken } = await newMember(owner.tenantId, "viewer");
  const opened = await openSession({ login_token: loginToken });
  return { tenant: owner.tenantId, session: await idOf(opened) };
}

const ADJUSTMENT = { amount_nano_usd: -5, reason: "goodwill" };
let lastAdjustment = 0;
export const newAdjustment = () => ({ ...ADJUSTMENT, id: `adj-${++lastAdjustment}` });

let lastMonth = 0;
/** Months from 2000 on, each later than those before: a later one's invoice takes the entries of an earlier one. */
export const newPeriod = () => ({
  period: new Date(Date.UTC(2000, ++lastMonth)).toISOString().slice(0, 7),
});

export async function draft(owner: Owner): Promise<Params> {
  const made = await asAdmin("POST", `/tenants/${owner.tenantId}/invoices`, newPeriod());
  return { tenant: owner.tenantId, invoice: await idOf(made) };
}

export async function invoice(owner: Owner): Promise<Params> {
  const params = await draft(owner);
  const path = `/tenants/${owner.tenantId}/invoices/${params["invoice"]}/finalize`;
  await idOf(await asAdmin("POST", path, {}));
  return params;
}

export const project = (owner: Owner): Promise<Params> =>
  Promise.resolve({ tenant: owner.tenantId, project: owner.projectId });

export const tenant = (owner: Owner): Promise<Params> =>
  Promise.resolve({ tenant: owner.tenantId });

export const budget = (owner: Owner): Promise<Params> =>
  Promise.resolve({ scope: owner.projectId, window: "day", mode: "soft" });

export async function setBudget(owner: Owner): Promise<Params> {
  const body = { limit_nano_usd: 1_000_000_000_000 };
  const path = `/v1/fairlane/budgets/${owner.keyId}/day/soft`;
  await send("PUT", path, { credential: owner.allKey, body });
  return { scope: owner.keyId, window: "day", mode: "soft" };
}
