// Owns the question how long a beginning of a context the prefix cache has, over all KV groups: of a group without a
// window every block is needed, of one with a window those that the next query still sees. It knows no pages.
import type { GroupWindow } from "./group-pages.ts";

export interface KeptBlocks<Block> {
  readonly windowTokens: GroupWindow["windowTokens"];
  /** A block that is kept, by its place in the context; undefined: it is not. */
  readonly at: (block: number) => Block | undefined;
}

export interface KeptPrefix<Block> {
  readonly blockCount: number;
  /** By KV group: the needed blocks, up to block blockCount - 1. */
  readonly blocks: readonly (readonly Block[])[];
}

/** The longest beginning of at most `blocksMax` blocks that is kept. */
export function longestKeptPrefix<Block>(
  groups: readonly KeptBlocks<Block>[],
  { blocksMax, blockTokens }: { readonly blocksMax: number; readonly blockTokens: number },
): KeptPrefix<Block> {
  let blockCount = blocksMax;
  for (const group of groups) {
    if (group.windowTokens === null) blockCount = leadingCount(group, blockCount);
  }
  // Each shortening may break what another window needs.
  for (let before = -1; before !== blockCount;) {
    before = blockCount;
    for (const group of groups) blockCount = windowedCount(group, { blockCount, blockTokens });
  }
  const blocks = groups.map((group) => {
    const first = firstNeeded(group, { blockCount, blockTokens });
    const needed = Array.from({ length: blockCount - first }, (_, i) => group.at(first + i));
    return needed.filter((block) => block !== undefined);
  });
  return { blockCount, blocks };
}

function leadingCount<Block>({ at }: KeptBlocks<Block>, blocksMax: number): number {
  let count = 0;
  while (count < blocksMax && at(count) !== undefined) count += 1;
  return count;
}

/** The largest count up to `blockCount` of which the group has all that is needed. */
function windowedCount<Block>(
  group: KeptBlocks<Block>,
  sizes: { readonly blockCount: number; readonly blockTokens: number },
): number {
  const { blockTokens } = sizes;
  if (group.windowTokens === null) return sizes.blockCount;
  let { blockCount } = sizes;
  // From behind: a missing block rules out every count that needs it.
  for (let block = blockCount - 1; block >= 0; block--) {
    if (block < firstNeeded(group, { blockCount, blockTokens })) return blockCount;
    if (group.at(block) === undefined) blockCount = block;
  }
  return blockCount;
}

/** The first block that a query right behind `blockCount` blocks sees. */
function firstNeeded<Block>(
  { windowTokens }: KeptBlocks<Block>,
  { blockCount, blockTokens }: { readonly blockCount: number; readonly blockTokens: number },
): number {
  if (windowTokens === null) return 0;
  const firstSeen = blockCount * blockTokens - windowTokens + 1;
  return Math.min(blockCount, Math.max(0, Math.floor(firstSeen / blockTokens)));
}
