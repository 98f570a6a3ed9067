export { requireDefaultModel } from "./default-model.ts";
export type { WantedModel } from "./default-model.ts";
export { isLongRun } from "./long-run.ts";
