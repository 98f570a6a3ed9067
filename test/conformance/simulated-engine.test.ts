// Runs the conformance suite of the Engine interface on the simulated engine: what it promises to the scheduler is
// what a native engine promises.
import { SimulatedEngine } from "../../gpu-node/src/engine/simulated-engine.ts";
import { VirtualClock } from "../../gpu-node/src/engine/virtual-clock.ts";
import { stepCapacityFor } from "../../gpu-node/src/scheduler/scheduler-parts.ts";
import { YI_34B } from "../../gpu-node/src/engine/testing/cost-models.ts";
import { describeEngine } from "./engine-suite.ts";

const SLOTS = 8;

describeEngine({
  name: "simulated",
  open: () =>
    new SimulatedEngine({
      clock: new VirtualClock(),
      cost: YI_34B,
      vocabSize: 512,
      contextTokens: 512,
      pageCount: 320,
      slotCount: SLOTS,
      capacity: { ...stepCapacityFor({ slotCount: SLOTS, stepBudgetTokens: 4_096 }), rows: SLOTS },
    }),
});
