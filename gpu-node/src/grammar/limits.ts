// Owns the bounds of grammars with unit and reason.

/** Cells (places in rules with what follows them) of one automaton: some 50 bytes each; beyond, it begins afresh. */
export const AUTOMATON_CELLS_MAX = 200_000;
/** States of one automaton: 1 KiB each; beyond, it begins afresh. */
export const AUTOMATON_STATES_MAX = 4_096;
/** Cells of one state: ways in which what was said so far can go on. Only a grammar that is ambiguous at every level has more. */
export const STATE_CELLS_MAX = 4_096;
/** Expressions of one grammar, after limits on the schema's text: compiling these takes some milliseconds. */
export const GRAMMAR_NODES_MAX = 100_000;
/** Masks that one automaton keeps: 6 KiB each for 49,152 tokens, 19 KiB for 152,064. */
export const AUTOMATON_MASKS_MAX = 256;
/** Automata that are kept for later requests with the same grammar. */
export const AUTOMATA_MAX = 32;
