// Runs the conformance suite of the Engine interface on every native engine that this CPU can run, over the committed
// tiny model.
import { afterAll, beforeAll } from "vitest";
import { describeEngine } from "./engine-suite.ts";
import {
  manifestOf,
  openKind,
  runnableInt8KvKinds,
  runnableKinds,
  TINY_MODEL,
} from "./tiny-engines.ts";

let manifest: Awaited<ReturnType<typeof manifestOf>> | undefined;

beforeAll(async () => {
  manifest = await manifestOf(TINY_MODEL);
});

afterAll(async () => {
  await manifest?.[Symbol.asyncDispose]();
});

for (const kind of [...runnableKinds(), ...runnableInt8KvKinds()]) {
  describeEngine({
    name: kind.name,
    open: () => openKind(kind, manifest?.path ?? ""),
  });
}
