// Owns the comparison of one tenant's books: what its account has settled and what nodes' journals have numbered,
// against what the ledger has. Pure. Invariant: it names no difference that work on its way explains.
import type { LedgerSource, LedgerSums } from "@fairlane/db";
import type { BooksState, IntakeState, SourceSums } from "@fairlane/protocol";

/** Where a tenant's usage stands, before the ledger was read or after it. */
export interface UsageState {
  readonly books: BooksState;
  /** Of all regions. */
  readonly intakes: readonly IntakeState[];
}

/** What account and journals have above the ledger. */
export interface BooksDifference {
  readonly entriesDifference: number;
  readonly nanoUsdDifference: number;
  readonly sourcesChecked: number;
  readonly sourcesDiffering: number;
  readonly recordsDifference: number;
  readonly promptTokensDifference: number;
  readonly cachedTokensDifference: number;
  readonly outputTokensDifference: number;
}

const NO_SOURCES = {
  sourcesChecked: 0,
  sourcesDiffering: 0,
  recordsDifference: 0,
  promptTokensDifference: 0,
  cachedTokensDifference: 0,
  outputTokensDifference: 0,
};

/** True when nothing was on its way while the ledger was read: then every number has to be the same. */
export function isAtRest(before: UsageState, after: UsageState): boolean {
  const { books, intakes } = before;
  const isWaiting = books.waitingEntries > 0 || intakes.some((intake) => intake.waitingPacks > 0);
  return !isWaiting && JSON.stringify(before) === JSON.stringify(after);
}

/** The differences of usage at rest: exact. */
export function differenceAtRest(
  { books, intakes }: UsageState,
  ledger: LedgerSums,
): BooksDifference {
  const sums = { ...NO_SOURCES };
  for (const source of intakes.flatMap((intake) => intake.sources)) {
    const found = ledger.sources.find(
      (one) => one.nodeId === source.nodeId && one.epoch === source.epoch,
    );
    const difference = sourceDifference(source, found);
    sums.sourcesChecked += 1;
    if (Object.values(difference).some((one) => one !== 0)) sums.sourcesDiffering += 1;
    sums.recordsDifference += difference.records;
    sums.promptTokensDifference += difference.promptTokens;
    sums.cachedTokensDifference += difference.cachedTokens;
    sums.outputTokensDifference += difference.outputTokens;
  }
  return {
    entriesDifference: books.entries - ledger.entries,
    nanoUsdDifference: books.spentNanoUsd - ledger.costNanoUsd,
    ...sums,
  };
}

/**
 * The differences of moving usage: by how much the ledger lies outside what the account had written before and had
 * settled after. Journals are not compared.
 */
export function differenceInMotion(
  { before, after }: { readonly before: UsageState; readonly after: UsageState },
  ledger: LedgerSums,
): BooksDifference {
  const { entries, waitingEntries, spentNanoUsd, waitingNanoUsd } = before.books;
  const entriesRange = { least: entries - waitingEntries, most: after.books.entries };
  const costRange = { least: spentNanoUsd - waitingNanoUsd, most: after.books.spentNanoUsd };
  return {
    entriesDifference: outside(ledger.entries, entriesRange),
    nanoUsdDifference: outside(ledger.costNanoUsd, costRange),
    ...NO_SOURCES,
  };
}

/** Sum of all differences without their signs. */
export function severityOf(difference: BooksDifference): number {
  const { sourcesChecked: _, ...differences } = difference;
  return Object.values(differences).reduce((sum, one) => sum + Math.abs(one), 0);
}

function sourceDifference(source: SourceSums, found: LedgerSource | undefined) {
  // What never came here may be in the ledger all the same, if it came to a store that was lost: only counts tell.
  const isWhole = source.records === source.seq;
  const expectedEntries = source.entries + (source.seq - source.records);
  const tokens = (taken: number, inLedger = 0): number => (isWhole ? taken - inLedger : 0);
  return {
    records: expectedEntries - (found?.entries ?? 0),
    promptTokens: tokens(source.promptTokens, found?.promptTokens),
    cachedTokens: tokens(source.cachedTokens, found?.cachedTokens),
    outputTokens: tokens(source.outputTokens, found?.outputTokens),
  };
}

function outside(
  value: number,
  { least, most }: { readonly least: number; readonly most: number },
) {
  if (value < least) return least - value;
  return value > most ? most - value : 0;
}
