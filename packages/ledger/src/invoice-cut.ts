// Owns which ledger entries an invoice takes: those that ended before its period's end and had arrived when it was
// cut, without those of the cut before. Cuts follow each other in both directions, so an entry that arrives after its
// period was cut is in the next one, and no entry is in two. A replacement of a void invoice has the same cut.
import { assert } from "@fairlane/base";

/** A cut of a tenant's ledger. Positions count entries in the order of their arrival. */
export interface InvoiceCut {
  /** End of the period before, and where that one was cut; 0 and 0 before the first. */
  readonly fromEndedMs: number;
  readonly fromPosition: number;
  /** End of the period, excluded. */
  readonly toEndedMs: number;
  /** The last position that is in it. */
  readonly toPosition: number;
}

/**
 * The cut after another one.
 * @param before undefined for a tenant's first
 * @param newestPosition of the ledger as it stands
 */
export function nextCut(
  before: InvoiceCut | undefined,
  wanted: { readonly toEndedMs: number; readonly newestPosition: number },
): InvoiceCut {
  const { toEndedMs: fromEndedMs = 0, toPosition: fromPosition = 0 } = before ?? {};
  assert(
    wanted.toEndedMs > fromEndedMs,
    `a cut at ${wanted.toEndedMs} after one at ${fromEndedMs}`,
  );
  // Archived entries are gone from the ledger, perhaps its newest among them.
  const toPosition = Math.max(fromPosition, wanted.newestPosition);
  return { fromEndedMs, fromPosition, toEndedMs: wanted.toEndedMs, toPosition };
}

/** True for an entry that the cut takes. */
export function isInCut(
  cut: InvoiceCut,
  entry: { readonly endedAtMs: number; readonly position: number },
): boolean {
  const { endedAtMs, position } = entry;
  const isBefore = endedAtMs < cut.fromEndedMs && position <= cut.fromPosition;
  return endedAtMs < cut.toEndedMs && position <= cut.toPosition && !isBefore;
}
