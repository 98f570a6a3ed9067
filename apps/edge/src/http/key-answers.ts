// Owns what is told of keys: their bodies, and why something cannot be done to one.
import type { ApiKey } from "@fairlane/db";
import { AppError, type KeyOutcome, type KeyTerms } from "@fairlane/protocol";
import { keyTermsBody } from "../auth/key-terms.ts";

const FIELDS: Readonly<Record<keyof KeyTerms, string>> = {
  scopes: "scopes",
  allowedModels: "allowed_models",
  allowedAdapters: "allowed_adapters",
  allowedIps: "allowed_ips",
  expiresAtMs: "expires_at_ms",
};

/** A key without its secret. */
export function keyBody(row: ApiKey) {
  return {
    object: "fairlane.api_key",
    id: row.id,
    tenant_id: row.tenantId,
    project_id: row.projectId,
    name: row.name,
    last_chars: row.lastChars,
    ...keyTermsBody(row),
    revoked_at_ms: row.revokedAtMs,
    rotated_from_id: row.rotatedFromId,
    grace_until_ms: row.graceUntilMs,
    created_at_ms: row.createdAtMs,
  };
}

/** The one answer that holds a key's text: no cache on the way may keep it. */
export function newKeyAnswer(row: ApiKey, text: string): Response {
  const headers = { "cache-control": "no-store" };
  return Response.json({ ...keyBody(row), key: text }, { status: 201, headers });
}

export function unknownKey(): AppError {
  return new AppError("not_found", "This tenant has no key with this id.", { param: "key" });
}

/** Why the account did not do it. */
export function keyRefusal(outcome: Extract<KeyOutcome, { readonly ok: false }>): AppError {
  switch (outcome.reason) {
    case "unknown":
      return unknownKey();
    case "revoked":
      return new AppError("key_revoked", "The key is dead; make a new one.", { param: "key" });
    case "rotated":
      return new AppError("already_exists", "The key was rotated already.", { param: "key" });
    case "too_many": {
      const message = "The tenant has as many live keys as it may. Revoke one first.";
      return new AppError("too_many_keys", message);
    }
    case "wider":
      return widerTermRefusal(outcome.term);
  }
}

/** A key cannot hand on what it does not have. */
export function widerTermRefusal(term: keyof KeyTerms): AppError {
  const param = FIELDS[term];
  const message = `The API key cannot manage a key whose '${param}' go beyond its own.`;
  return new AppError("wider_than_own", message, { param });
}
