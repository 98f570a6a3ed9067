import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

describe("hub script", () => {
  it("answers health checks", async () => {
    const response = await exports.default.fetch("https://hub/health");
    expect(await response.json()).toEqual({ status: "ok", region: "local" });
  });
});
