// Owns what a key may hand on: never more than it has itself, so that a key that manages keys cannot widen itself by
// making, changing or rotating others.
import type { KeyTerms } from "../rpc/account-key.ts";

type TermName = keyof KeyTerms;

/**
 * The first of the terms that is wider than the giver's own, or undefined when all fit. Lists are compared entry by
 * entry: a narrower range of addresses has to be written as the giver has it.
 */
export function widerTerm(wanted: KeyTerms, giver: KeyTerms): TermName | undefined {
  if (!wanted.scopes.every((scope) => giver.scopes.includes(scope))) return "scopes";
  for (const name of ["allowedModels", "allowedAdapters", "allowedIps"] as const) {
    if (!isSubset(wanted[name], giver[name])) return name;
  }
  return expiresWithin(wanted.expiresAtMs, giver.expiresAtMs) ? undefined : "expiresAtMs";
}

function isSubset(wanted: readonly string[] | null, giver: readonly string[] | null): boolean {
  if (giver === null) return true;
  return wanted !== null && wanted.every((entry) => giver.includes(entry));
}

function expiresWithin(wantedMs: number | null, giverMs: number | null): boolean {
  if (giverMs === null) return true;
  return wantedMs !== null && wantedMs <= giverMs;
}
