// The part of the conformance suite about steps in flight: the two plan buffers, the views of results, waits that time
// out, and a close in the middle.
import { expect, it } from "vitest";
import { RESULT_HEADER } from "../../gpu-node/src/engine/step-layout.ts";
import { promptOf, STATUS, withEngine, type EngineUnderTest } from "./engine-under-test.ts";
import { StepDriver, type RowSpec } from "./step-driver.ts";

export function describeBuffers(subject: EngineUnderTest): void {
  const rows: RowSpec[] = [{ slot: 0, tokens: [1, 2, 3] }];

  it("has two plan buffers and says so when both are in flight", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      driver.start(0);
      const first = driver.plan(rows);
      driver.submitPlan(first, rows);
      expect(() => engine.submitStep(first)).toThrow("in flight");
      const second = driver.plan(rows);
      expect(second).not.toBe(first);
      driver.submitPlan(second, rows);
      expect(() => engine.acquirePlan()).toThrow("in flight");
      await driver.wait();
      expect(engine.acquirePlan()).toBe(first);
      await driver.wait();
    });
  });

  it("rejects a wait when nothing is in flight, and a plan of its own making", async () => {
    await withEngine(subject, async (engine) => {
      await expect(engine.waitStep({ timeoutMs: 10 })).rejects.toThrow("no step is in flight");
      const foreign = { ...engine.acquirePlan() };
      expect(() => engine.submitStep(foreign)).toThrow("does not belong");
    });
  });

  it("keeps result views until the next wait", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      driver.start(0);
      driver.submit(rows);
      const first = await engine.waitStep({ timeoutMs: 60_000 });
      if (first.state !== "done") throw new Error("timeout");
      const header = [...first.result.header];
      // Both steps are done, and neither was waited for.
      driver.submit([{ slot: 0, tokens: [4] }]);
      driver.submit([{ slot: 0, tokens: [5] }]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect([...first.result.header]).toEqual(header);
      expect((await engine.waitStep({ timeoutMs: 60_000 })).state).toBe("done");
      expect((await engine.waitStep({ timeoutMs: 60_000 })).state).toBe("done");
    });
  });
}

export function describeTime(subject: EngineUnderTest): void {
  // The largest step: many milliseconds on any CPU, so that a wait of none ends before it.
  const longRows = Array.from({ length: 8 }, (_, slot): RowSpec => ({
    slot,
    tokens: promptOf(512, slot),
  }));

  it("times out a wait and gives the step to a later one", async () => {
    await withEngine(subject, async (engine) => {
      const driver = new StepDriver(engine);
      let timeoutCount = 0;
      // On a busy machine this thread may sleep until the step is done; then there is nothing to time out.
      for (let attempt = 0; attempt < 10 && timeoutCount === 0; attempt++) {
        for (let slot = 0; slot < 8; slot++) driver.start(slot);
        const plan = driver.plan(longRows);
        engine.submitStep(plan);
        const first = await engine.waitStep({ timeoutMs: 0 });
        if (first.state === "done") continue;
        timeoutCount += 1;
        // The step is still in flight, and so is its plan.
        expect(() => engine.submitStep(plan)).toThrow("in flight");
        const second = await engine.waitStep({ timeoutMs: 60_000 });
        expect(second.state === "done" && second.result.header[RESULT_HEADER.status]).toBe(
          STATUS.ok,
        );
        await expect(engine.waitStep({ timeoutMs: 0 })).rejects.toThrow("no step is in flight");
      }
      expect(timeoutCount).toBe(1);
    });
  });

  it("closes while a step runs and another waits, and is closed from then on", async () => {
    const engine = await subject.open();
    const driver = new StepDriver(engine);
    for (let slot = 0; slot < 8; slot++) driver.start(slot);
    driver.submit(longRows);
    driver.submit([{ slot: 0, tokens: "sampled" }]);
    const rejection = engine.waitStep({ timeoutMs: 60_000 }).then(
      () => "done",
      (thrown: unknown) => String(thrown),
    );
    await Promise.all([engine.close(), engine.close()]);
    expect(await rejection).toContain("closed");
    await engine.close();
    await expect(engine.waitStep({ timeoutMs: 0 })).rejects.toThrow("closed");
  });
}
