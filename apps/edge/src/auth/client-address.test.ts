import { expect, it } from "vitest";
import { clientAddress } from "./client-address.ts";

const forged = new Headers({ "x-forwarded-for": "10.0.0.1", "x-real-ip": "10.0.0.2" });

it("is what Cloudflare says, and nothing that a client can write", () => {
  expect(clientAddress(forged, "cf-connecting-ip")).toBeUndefined();
  forged.set("cf-connecting-ip", "203.0.113.9");
  expect(clientAddress(forged, "cf-connecting-ip")).toBe("203.0.113.9");
});

it("is the loopback address where the edge listens on that alone, whatever the headers say", () => {
  expect(clientAddress(forged, "loopback")).toBe("127.0.0.1");
});
