import { describe, expect, it } from "vitest";
import { YI_34B } from "../engine/testing/cost-models.ts";
import { stepBudgetFacts, stepBudgetLine } from "./step-budget-facts.ts";
import { StepBudget } from "./step-budget.ts";
import { StepPredictor } from "./step-predictor.ts";

describe("stepBudgetFacts", () => {
  it("says the largest chunks that meet the target, and what they are predicted to take", () => {
    const target = { us: 90_000, predictor: new StepPredictor(YI_34B) };
    const facts = stepBudgetFacts(new StepBudget(512, target), 131_072);
    // 168 us a token, 6 ms beyond the knee; at 65,536 each token reads 301 us of context on top of the floor of 42 ms.
    expect(facts).toMatchObject({
      tokens: 512,
      targetMs: 90,
      chunks: [
        { firstPosition: 0, tokens: 496 },
        { firstPosition: 65_536, tokens: 128 },
      ],
    });
    expect(stepBudgetLine(facts)).toBe(
      "of up to 512 tokens and 90 ms by prediction: 496 tokens of a prompt in 90 ms at position 0, " +
        "128 tokens of a prompt in 87 ms at position 65536",
    );
  });

  it("has nothing to predict when the budget is fixed", () => {
    const facts = stepBudgetFacts(new StepBudget(256), 8_192);
    expect(facts).toEqual({ tokens: 256, targetMs: null, chunks: [] });
    expect(stepBudgetLine(facts)).toBe("of up to 256 tokens");
  });
});
