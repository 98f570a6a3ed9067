// Owns the operator's authentication: one admin token, of which the edge knows the hash.
import { AppError, isAdminToken } from "@fairlane/protocol";
import { bearerCredential } from "./bearer-credential.ts";

/** Throws invalid_admin_token unless the operator asks. */
export async function authenticateAdmin(headers: Headers, tokenHash: string): Promise<void> {
  const token = bearerCredential(headers) ?? "";
  // An empty token is hashed too: the time taken says nothing.
  if (await isAdminToken(token, tokenHash)) return;
  const message = "This route needs the admin token: 'Authorization: Bearer fla1_...'.";
  throw new AppError("invalid_admin_token", message);
}
