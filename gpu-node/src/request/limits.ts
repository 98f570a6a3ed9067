// Owns every bound of request preparation, with unit and reason.

/** Characters of messages that are tokenised on the main thread: about 5 ms at worst; more go to a thread. */
export const INLINE_CHARS_MAX = 4_000;
/** What a message costs besides its text, in characters: rendering one takes as long as tokenising so many. */
export const MESSAGE_COST_CHARS = 100;
/** Long prompts that may wait for the tokenising thread: seconds of its work. */
export const LONG_PROMPTS_MAX = 256;
/** Characters of all long prompts that wait: a few bodies of the largest size. */
export const LONG_PROMPT_CHARS_MAX = 32 * 1024 * 1024;

/** Grammars of late requests that the main thread keeps: some 100 KiB each at most. */
export const KEPT_GRAMMARS_MAX = 64;

/** Calls of one answer: more at once than clients carry out. */
export const PARALLEL_CALLS_MAX = 16;
