// Members and their sessions on the live edge: what a browser does with cookies and the sender's name.
import { asAdmin, send } from "./live-edge.ts";

const ORIGIN = "https://edge.test";

/** The `cookie` header for what an answer set. */
export function cookieOf(response: Response): string {
  return response.headers.get("set-cookie")?.split(";")[0] ?? "";
}

/** Logs in. */
export function openSession(body: object): Promise<Response> {
  return send("POST", "/v1/fairlane/sessions", { body });
}

/** A request of a page of the edge's own host. @param call method and path */
export function withCookie(cookie: string, call: string, body?: unknown): Promise<Response> {
  const [method = "", path = ""] = call.split(" ");
  return send(method, path, { headers: { cookie, origin: ORIGIN }, body });
}

/** Adds a member as the operator does, with a login token; logged in where asked. */
export async function newMember(
  tenantId: string,
  role: string,
  options: { readonly login?: boolean } = {},
) {
  const at = `/tenants/${tenantId}/members`;
  const added = await asAdmin("POST", at, { name: `a ${role}`, role });
  const { id: memberId } = await added.json<{ id: string }>();
  const made = await asAdmin("POST", `${at}/${memberId}/login-tokens`, {});
  const token = await made.json<{ id: string; login_token: string }>();
  const { id: loginId, login_token: loginToken } = token;
  const isLogin = options.login === true;
  const cookie = isLogin ? cookieOf(await openSession({ login_token: loginToken })) : "";
  return { memberId, loginId, loginToken, cookie };
}
