// Owns what the checking engine says: a token that is a hash of the whole context before it.

/** The token that follows a context: a hash of all of it. */
export function nextToken(
  context: readonly number[],
  { vocabSize, salt }: { readonly vocabSize: number; readonly salt: number },
): number {
  let hash = 0x811c_9dc5 ^ salt;
  for (const token of context) hash = Math.imul(hash ^ token, 0x0100_0193);
  return (hash >>> 0) % vocabSize;
}

/** What a request alone would say: `count` tokens after `prompt`. */
export function outputAlone(
  prompt: readonly number[],
  options: { readonly count: number; readonly vocabSize: number; readonly salt: number },
): number[] {
  const context = [...prompt];
  for (let i = 0; i < options.count; i++) context.push(nextToken(context, options));
  return context.slice(prompt.length);
}
