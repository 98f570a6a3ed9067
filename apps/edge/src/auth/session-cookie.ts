// Owns the cookie that carries a dashboard's session: for this host alone, out of scripts' reach, never sent along by
// another site. Over plain HTTP it exists on the loopback address only, where `npm run dev` serves.
import { AppError } from "@fairlane/protocol";
import { CREDENTIAL_CHARS_MAX } from "../limits.ts";

const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);
const MS_PER_SECOND = 1_000;

/** The session's text from the request; undefined without one. */
export function sessionOf(request: Request): string | undefined {
  const name = `${nameOf(new URL(request.url))}=`;
  const cookies = (request.headers.get("cookie") ?? "").split(";").map((one) => one.trim());
  const value = cookies.find((one) => one.startsWith(name))?.slice(name.length);
  return value === undefined || value.length > CREDENTIAL_CHARS_MAX ? undefined : value;
}

/** The header that hands a session over; "" and 0 ms take it away. Throws where a cookie would travel in the clear. */
export function sessionCookie(request: Request, text: string, lifeMs: number): string {
  const url = new URL(request.url);
  const isSecure = url.protocol === "https:";
  if (!isSecure && !LOOPBACK_HOSTS.has(url.hostname)) {
    throw new AppError("cross_site_request", "Sessions need HTTPS.");
  }
  const maxAge = `Max-Age=${Math.floor(lifeMs / MS_PER_SECOND)}`;
  const flags = `Path=/; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`;
  return `${nameOf(url)}=${text}; ${maxAge}; ${flags}`;
}

/**
 * Refuses what another site's page made the browser send. Browsers name the sender of every request that changes
 * something; SameSite keeps other sites out already, sibling hosts not.
 * @param isNamed false where a sender without a name is no browser's session: a login
 */
export function checkOrigin(request: Request, isNamed: boolean): void {
  if (request.method === "GET" || request.method === "HEAD") return;
  const origin = request.headers.get("origin");
  if (origin === new URL(request.url).origin || (origin === null && !isNamed)) return;
  throw new AppError("cross_site_request", "The request comes from another site's page.");
}

/** The prefix binds the cookie to the host; browsers take it over HTTPS only. */
function nameOf(url: URL): string {
  return url.protocol === "https:" ? "__Host-fairlane_session" : "fairlane_session";
}
