// Owns which addresses the platform sends events to: HTTPS, and plain HTTP to the machine itself alone, for trying it
// out. No credentials in the address: a name before an @ reads like a host.
import { z } from "zod";
import { WEBHOOK_URL_CHARS_MAX } from "../limits.ts";

const LOOPBACK: readonly string[] = ["127.0.0.1", "localhost"];

export const webhookUrl = z
  .url({ protocol: /^https?$/ })
  .max(WEBHOOK_URL_CHARS_MAX)
  .refine(isAllowed, "expected https, without a user name");

function isAllowed(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== "" || password !== "") return false;
  return protocol === "https:" || LOOPBACK.includes(hostname);
}
