import { describe, expect, it } from "vitest";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { outputAlone } from "../scheduler/testing/next-token.ts";
import { EngineHost } from "./engine-host.ts";
import type { FromWorker, RequestProgress, WorkerOptions } from "./worker-messages.ts";

const ENTRY = new URL("./testing/check-engine-worker.ts", import.meta.url);
// Opened engines of the test have their own sizes; only the path is read.
const OPTIONS: WorkerOptions = {
  engine: {
    manifestPath: "check",
    isa: "auto",
    numerics: "int8",
    pageCount: 64,
    slotCount: 4,
    threadCount: 1,
    capacity: {
      rows: 4,
      tokens: 16,
      page_updates: 8,
      sampling_updates: 4,
      slot_resets: 4,
      bias_updates: 4,
      top_tokens: 80,
      copied_pages: 4,
    },
  },
  stepBudgetTokens: 16,
};

function withModel(manifestPath: string): WorkerOptions {
  return { ...OPTIONS, engine: { ...OPTIONS.engine, manifestPath } };
}

/** A host that writes down what it hears; `until` resolves once a message satisfies the test. */
function listeningHost() {
  const host = new EngineHost(ENTRY);
  const heard: FromWorker[] = [];
  let check = (): void => {};
  host.on((message) => {
    heard.push(message);
    check();
  });
  const until = (isReached: () => boolean) =>
    new Promise<void>((resolve) => {
      check = () => {
        if (isReached()) resolve();
      };
      check();
    });
  const progress = (): RequestProgress[] =>
    heard.flatMap((message) => (message.type === "step" ? [...message.progress] : []));
  const ends = () => progress().filter((item) => item.end !== null);
  return { host, heard, until, progress, ends };
}

describe("EngineHost", () => {
  it("opens, serves several requests at once and closes", async () => {
    const { host, heard, until, progress, ends } = listeningHost();
    const info = await host.start(OPTIONS);
    expect(info).toMatchObject({ backend: "check", vocabSize: 1_000 });
    host.submit(["a", "b", "c"].map((id) => engineRequest(id)));
    expect(host.liveCount).toBe(3);
    await until(() => ends().length === 3);
    const said = progress()
      .filter((item) => item.requestId === "b")
      .flatMap((item) => [...item.newTokens]);
    expect(said).toEqual(outputAlone([1, 2, 3, 4], { count: 8, vocabSize: 1_000, salt: 0 }));
    expect(host.liveCount).toBe(0);
    await host.close();
    await host.close();
    expect(heard[0]?.type).toBe("opened");
    expect(heard.at(-1)).toEqual({ type: "closed" });
    const stepIds = heard.flatMap((message) => (message.type === "step" ? [message.stepId] : []));
    expect(stepIds).toEqual(stepIds.map((_, index) => index + 1));
  });

  it("cancels while a request runs", async () => {
    const { host, until, ends } = listeningHost();
    await host.start(OPTIONS);
    host.submit([engineRequest("a", { maxOutputTokens: 50 })]);
    host.cancel(["a", "unknown"]);
    await until(() => ends().length === 1);
    expect(ends()[0]?.end).toEqual({ reason: "cancelled", error: null });
    await host.close();
  });

  it("answers refusals and submits after the end", async () => {
    const { host, heard, until } = listeningHost();
    const refusals = () =>
      heard.flatMap((message) =>
        message.type === "refused" ? [`${message.requestId} ${message.error.code}`] : [],
      );
    host.submit([engineRequest("early")]);
    await host.start(OPTIONS);
    host.submit([engineRequest("long", { promptLength: 64 })]);
    await until(() => refusals().length === 2);
    host.drain();
    host.submit([engineRequest("drained")]);
    await until(() => refusals().length === 3);
    await host.close();
    host.submit([engineRequest("late")]);
    expect(refusals()).toHaveLength(3);
    await until(() => refusals().length === 4);
    expect(refusals()).toEqual([
      "early draining",
      "long context_length_exceeded",
      "drained draining",
      "late draining",
    ]);
    expect(host.liveCount).toBe(0);
  });

  it("refuses an id that is being served without touching the first", async () => {
    const { host, heard, until, ends } = listeningHost();
    await host.start(OPTIONS);
    host.submit([engineRequest("a"), engineRequest("a")]);
    await until(() => ends().length === 1);
    expect(heard.find((message) => message.type === "refused")).toMatchObject({
      requestId: "a",
      error: { code: "already_exists" },
    });
    expect(ends()).toHaveLength(1);
    await host.close();
  });

  it("rejects start with the engine's reason", async () => {
    const { host, heard } = listeningHost();
    await expect(host.start(withModel("no such model"))).rejects.toThrow(
      "no such model: not found",
    );
    expect(heard).toEqual([{ type: "failed", message: "no such model: not found" }]);
    await host.close();
  });

  it.each([
    ["exit", "the engine worker exited with code 3"],
    ["throw", "out of the blue"],
  ])("ends every request when the worker dies: %s", async (way, message) => {
    const { host, heard, until, ends } = listeningHost();
    await host.start(withModel(way));
    host.submit([engineRequest("a"), engineRequest("b")]);
    await until(() => heard.at(-1)?.type === "failed");
    await host.close();
    expect(heard.at(-1)).toEqual({ type: "failed", message });
    expect(ends().map(({ requestId, end }) => `${requestId} ${end?.error?.code}`)).toEqual([
      "a internal_error",
      "b internal_error",
    ]);
    expect(host.liveCount).toBe(0);
  });

  it("stops the worker at the end of its scope", async () => {
    const { host, heard } = listeningHost();
    {
      await using scoped = host;
      await scoped.start(OPTIONS);
      scoped.submit([engineRequest("a", { maxOutputTokens: 50 })]);
    }
    expect(host.liveCount).toBe(0);
    expect(heard.at(-1)?.type).toBe("closed");
  });
});
