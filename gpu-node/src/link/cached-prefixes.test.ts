import { prefixDigests, prefixText } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { CachedPrefixes } from "./cached-prefixes.ts";
import { submitted } from "./testing/linked-node.ts";

const asking = (content: string, salt = "0".repeat(64)) =>
  submitted("r", { messages: [{ role: "user", content }] }, { tenant_salt: salt });

describe("CachedPrefixes", () => {
  it("names what the hub will look for, shared beginnings last to go", () => {
    const prefixes = new CachedPrefixes();
    const request = asking("The sea. ".repeat(200));
    prefixes.note(request);
    const scope = { salt: request.tenant_salt, adapterDigest: null };
    const digests = prefixDigests(scope, prefixText(request.body));
    expect(digests).toHaveLength(3);
    expect(prefixes.newest).toEqual(digests);
  });

  it("says when something is new, and nothing of prompts below a chunk", () => {
    const prefixes = new CachedPrefixes();
    prefixes.note(asking("short"));
    expect([prefixes.version, prefixes.newest]).toEqual([0, []]);
    prefixes.note(asking("x".repeat(600)));
    expect([prefixes.version, prefixes.newest.length]).toEqual([1, 1]);
  });

  it("keeps the newest that the pool has room for", () => {
    // Room for two chunks of 128 tokens.
    const prefixes = new CachedPrefixes();
    prefixes.fit(300);
    for (const letter of ["a", "b", "c"]) prefixes.note(asking(letter.repeat(600)));
    const digestsOf = (letter: string) => {
      const { tenant_salt: salt, body } = asking(letter.repeat(600));
      return prefixDigests({ salt, adapterDigest: null }, prefixText(body));
    };
    expect(prefixes.newest).toEqual([...digestsOf("c"), ...digestsOf("b")]);
    // Used again: the newest once more.
    prefixes.note(asking("b".repeat(600)));
    expect(prefixes.newest).toEqual([...digestsOf("b"), ...digestsOf("c")]);
  });
});
