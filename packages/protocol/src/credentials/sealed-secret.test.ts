import { describe, expect, it } from "vitest";
import { openSecret, sealSecret } from "./sealed-secret.ts";

const pepper = "a pepper of some length";
const random = { fill: (target: Uint8Array<ArrayBuffer>) => target.map((_, index) => index) };

describe("a sealed secret", () => {
  it("opens with the same pepper for the same purpose alone", async () => {
    const sealed = await sealSecret({ pepper, purpose: "export", text: "sk_test_ü", random });
    expect(sealed).not.toContain("sk_test");
    expect(await openSecret(pepper, "export", sealed)).toBe("sk_test_ü");
    await expect(openSecret(pepper, "another", sealed)).rejects.toThrow();
    await expect(openSecret("another pepper of some length", "export", sealed)).rejects.toThrow();
    const changed = `${sealed.slice(0, -1)}${sealed.endsWith("0") ? "1" : "0"}`;
    await expect(openSecret(pepper, "export", changed)).rejects.toThrow();
    await expect(openSecret(pepper, "export", "no hex")).rejects.toThrow("no hexadecimal");
  });
});
