// Owns the arithmetic of credits: money that a tenant has before it owes any. Grants are used in the order in which
// they expire, the oldest first among equals. Invariant: granted = remaining + used + expired, of each grant.
import { assert, units, type NanoUsd } from "@fairlane/base";

export interface CreditGrant {
  readonly grantId: string;
  readonly grantedNanoUsd: number;
  readonly usedNanoUsd: number;
  /** Forfeited when its time was over. */
  readonly expiredNanoUsd: number;
  readonly grantedAtMs: number;
  /** Null: never. */
  readonly expiresAtMs: number | null;
}

/** What is left of a grant. */
export function creditLeft(grant: CreditGrant): number {
  return grant.grantedNanoUsd - grant.usedNanoUsd - grant.expiredNanoUsd;
}

/** Uses credits for an amount; returns the grants that changed and what they did not cover. */
export function useCredits(
  grants: readonly CreditGrant[],
  amountNanoUsd: number,
): { readonly changed: readonly CreditGrant[]; readonly uncoveredNanoUsd: number } {
  assert(amountNanoUsd >= 0, `an amount of ${amountNanoUsd} cannot be used`);
  let uncoveredNanoUsd = amountNanoUsd;
  const changed: CreditGrant[] = [];
  for (const grant of inOrder(grants)) {
    const takenNanoUsd = Math.min(creditLeft(grant), uncoveredNanoUsd);
    if (takenNanoUsd === 0) continue;
    changed.push({ ...grant, usedNanoUsd: grant.usedNanoUsd + takenNanoUsd });
    uncoveredNanoUsd -= takenNanoUsd;
  }
  return { changed, uncoveredNanoUsd };
}

/** Ends what is left of grants whose time is over, but for what running requests hold; returns those that changed. */
export function expireCredits(
  grants: readonly CreditGrant[],
  nowMs: number,
  heldNanoUsd: number,
): readonly CreditGrant[] {
  let spareNanoUsd = grants.reduce((sum, grant) => sum + creditLeft(grant), 0) - heldNanoUsd;
  const changed: CreditGrant[] = [];
  for (const grant of inOrder(grants)) {
    if (grant.expiresAtMs === null || grant.expiresAtMs > nowMs) break;
    const endedNanoUsd = Math.min(creditLeft(grant), Math.max(0, spareNanoUsd));
    if (endedNanoUsd === 0) continue;
    changed.push({ ...grant, expiredNanoUsd: grant.expiredNanoUsd + endedNanoUsd });
    spareNanoUsd -= endedNanoUsd;
  }
  return changed;
}

/** Entries with what credit covered of each: of all of them `coveredNanoUsd`, in their order. */
export function shareCredit<Entry extends { readonly billedNanoUsd: NanoUsd }>(
  entries: readonly Entry[],
  coveredNanoUsd: number,
): readonly (Entry & { readonly creditNanoUsd: NanoUsd })[] {
  let leftNanoUsd = coveredNanoUsd;
  const shared = entries.map((entry) => {
    const creditNanoUsd = units.nanoUsd(Math.min(leftNanoUsd, entry.billedNanoUsd));
    leftNanoUsd -= creditNanoUsd;
    return { ...entry, creditNanoUsd };
  });
  assert(leftNanoUsd === 0, `credit of ${leftNanoUsd} nano-USD for no entry`);
  return shared;
}

function inOrder(grants: readonly CreditGrant[]): readonly CreditGrant[] {
  const endMs = ({ expiresAtMs }: CreditGrant): number => expiresAtMs ?? Number.MAX_SAFE_INTEGER;
  return grants.toSorted(
    (left, right) => endMs(left) - endMs(right) || left.grantedAtMs - right.grantedAtMs,
  );
}
