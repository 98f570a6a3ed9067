import { describe, expect, it } from "vitest";
import { checkOrigin, sessionCookie, sessionOf } from "./session-cookie.ts";

const request = (url: string, headers: Record<string, string> = {}, method = "GET") =>
  new Request(url, { headers, method });

describe("the session's cookie", () => {
  it("is the host's own, out of scripts' reach and over HTTPS only", () => {
    expect(sessionCookie(request("https://edge.test/x"), "fls1_a", 60_000)).toBe(
      "__Host-fairlane_session=fls1_a; Max-Age=60; Path=/; HttpOnly; SameSite=Strict; Secure",
    );
  });

  it("travels without HTTPS on the loopback address only", () => {
    expect(sessionCookie(request("http://127.0.0.1:8787/x"), "fls1_a", 60_000)).toBe(
      "fairlane_session=fls1_a; Max-Age=60; Path=/; HttpOnly; SameSite=Strict",
    );
    const remote = request("http://edge.test/x");
    expect(() => sessionCookie(remote, "fls1_a", 60_000)).toThrow("Sessions need HTTPS.");
  });

  it("is read by its exact name", () => {
    const cookie = "a=1; x__Host-fairlane_session=no; __Host-fairlane_session=fls1_a; b=2";
    expect(sessionOf(request("https://edge.test/", { cookie }))).toBe("fls1_a");
    expect(sessionOf(request("http://127.0.0.1/", { cookie }))).toBeUndefined();
    expect(sessionOf(request("https://edge.test/"))).toBeUndefined();
    const long = { cookie: `__Host-fairlane_session=${"x".repeat(300)}` };
    expect(sessionOf(request("https://edge.test/", long))).toBeUndefined();
  });
});

describe("a request of a browser's session", () => {
  const check = (method: string, headers: Record<string, string>, isNamed = true) => {
    checkOrigin(request("https://edge.test/x", headers, method), isNamed);
  };
  const own = { origin: "https://edge.test" };
  const foreign = { origin: "https://dash.edge.test" };

  it("may change something from a page of this host only", () => {
    check("POST", own);
    check("GET", foreign);
    check("HEAD", {});
    for (const headers of [foreign, { origin: "null" }, {}, { origin: "http://edge.test" }]) {
      for (const method of ["POST", "PATCH", "PUT", "DELETE"]) {
        expect(() => check(method, headers), method).toThrow("another site's page");
      }
    }
  });

  it("may begin without a sender's name, where no browser sends it", () => {
    check("POST", {}, false);
    expect(() => check("POST", foreign, false)).toThrow("another site's page");
  });
});
