// Owns what a step is expected to take on this machine now: the fitted cost model times a slowly moving correction,
// since other processes, clock rates and noise in the profile move all steps alike. It decides nothing.
// Invariant: the correction stays within its bounds, so that one hung step spoils no prediction.
import { assert } from "@fairlane/base";
import { predictStepUs, type StepCostModel, type StepShape } from "./step-cost-model.ts";

/** Weight of the newest step: a lasting change is followed within some fifty steps. */
const NEWEST_WEIGHT = 0.05;
const CORRECTION_MIN = 0.25;
const CORRECTION_MAX = 4;

export class StepPredictor {
  readonly model: StepCostModel;
  #correction = 1;

  constructor(model: StepCostModel) {
    this.model = model;
  }

  /** Measured over predicted time of late steps. */
  get correction(): number {
    return this.#correction;
  }

  /** Microseconds that a step of this shape is expected to take. */
  predictUs(shape: StepShape): number {
    return predictStepUs(this.model, shape) * this.#correction;
  }

  /** Takes what a step really took. */
  observe(shape: StepShape, us: number): void {
    assert(us >= 0, `a step took ${us} us`);
    const predictedUs = predictStepUs(this.model, shape);
    if (predictedUs <= 0 || us === 0) return;
    const ratio = Math.min(CORRECTION_MAX, Math.max(CORRECTION_MIN, us / predictedUs));
    this.#correction += NEWEST_WEIGHT * (ratio - this.#correction);
  }
}
