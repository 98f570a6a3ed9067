// Owns what the mock node answers: the same for every side of the bench, and each token tells its place, so that a
// lost, repeated or reordered one is seen.

export const MOCK_MODEL = "mock";
export const PROMPT_TOKENS = 24;
/** Between two steps of the mock node: 50 tokens a second for each stream. */
export const STEP_MS = 20;

/** The text of one token. */
export function tokenText(index: number): string {
  return `t${index} `;
}

/** Tokens of a text that are not where they belong, plus those of `expected` that it lacks. */
export function misplacedTokens(text: string, expected: number): number {
  const tokens = text.split(" ").slice(0, -1);
  const misplaced = tokens.filter((token, index) => token !== `t${index}`).length;
  return misplaced + Math.max(0, expected - tokens.length);
}
