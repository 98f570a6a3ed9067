// Owns how the time that a step may take is set up for an engine: from the operator's target and a profile that was
// kept, or one measured now. Invariant: a profile of another engine is refused, since its predictions would be wrong.
import type { Clock } from "@fairlane/base";
import type { Engine } from "../engine/engine.ts";
import type { WorkerOptions } from "../engine/worker-messages.ts";
import { calibrateStepCost } from "./profile.ts";
import type { StepTarget } from "./step-budget.ts";
import type { StepCostModel } from "./step-cost-model.ts";
import { StepPredictor } from "./step-predictor.ts";

/** Of the target that a step may take by prediction: the rest is for its error and the way to the client. */
const TARGET_PCT = 90;

/** The step target of an idle engine; null when its budget is fixed. */
export async function stepTargetOf(
  engine: Engine,
  options: Pick<WorkerOptions, "tbtTargetMs" | "stepProfile">,
  clock: Clock,
): Promise<StepTarget | null> {
  const { tbtTargetMs = null, stepProfile } = options;
  if (tbtTargetMs === null) return null;
  const model = stepProfile
    ? modelOf(stepProfile, engine)
    : ((await calibrateStepCost(engine, clock))?.model ?? null);
  if (model === null) return null;
  return { us: tbtTargetMs * 10 * TARGET_PCT, predictor: new StepPredictor(model) };
}

function modelOf(
  profile: NonNullable<WorkerOptions["stepProfile"]>,
  { info }: Engine,
): StepCostModel {
  const { numericsClass, threadCount, model } = profile;
  if (numericsClass === info.numericsClass && threadCount === info.threadCount) return model;
  throw new Error(
    `The step profile was measured with ${numericsClass} on ${threadCount} threads, the engine computes with ` +
      `${info.numericsClass} on ${info.threadCount}: run npm run profile with the node's flags.`,
  );
}
