// The count of tokens that a client did not get as they were sent.
import { expect, it } from "vitest";
import { misplacedTokens, tokenText } from "./mock-answer.ts";

const text = (...indices: number[]) => indices.map(tokenText).join("");

it.each([
  ["all there", text(0, 1, 2, 3), 0],
  ["one lost at the end", text(0, 1, 2), 1],
  ["one lost in between", text(0, 2, 3), 3],
  ["two exchanged", text(0, 2, 1, 3), 2],
  ["one repeated", text(0, 1, 1, 2, 3), 3],
  ["nothing", "", 4],
])("of four tokens: %s", (_, got, misplaced) => {
  expect(misplacedTokens(got, 4)).toBe(misplaced);
});
