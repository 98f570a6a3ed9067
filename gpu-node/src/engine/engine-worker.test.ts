// The scheduler over the real native engine in its worker, held to the goldens of the tiny model: many requests
// in one batch, prompts in chunks, pages reused. Needs the native core; skipped loudly without it, except in CI.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert } from "@fairlane/base";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeManifest } from "../model/manifest.ts";
import { openModel } from "../model/open-model.ts";
import { stepCapacityFor } from "../scheduler/scheduler-parts.ts";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { EngineHost } from "./engine-host.ts";
import { DEFAULT_ADDON_PATH } from "./native-addon.ts";
import type { RequestProgress, WorkerLoad, WorkerOptions } from "./worker-messages.ts";

const MODEL_NAME = "tiny-llama.gguf";
const isBuilt = existsSync(DEFAULT_ADDON_PATH);
const canRun = isBuilt || process.env["CI"] !== undefined;
if (!canRun) process.stderr.write("SKIPPED: the native core is not built (npm run build:native)\n");

interface Golden {
  readonly promptIds: readonly number[];
  readonly generatedIds: readonly number[];
}

function goldens(): Golden[] {
  const path = fileURLToPath(new URL("../../../test/golden/tiny-llama.json", import.meta.url));
  const { models } = JSON.parse(readFileSync(path, "utf8")) as {
    models: { files: string[]; prompts: Golden[] }[];
  };
  const model = models.find(({ files }) => files.some((file) => file.endsWith(MODEL_NAME)));
  assert(model !== undefined, `no goldens of ${MODEL_NAME}`);
  return model.prompts;
}

/** Listens to a host; `ended` resolves when that many requests have ended. */
function listen(host: EngineHost) {
  const progress: RequestProgress[] = [];
  let load: WorkerLoad | null = null;
  let check = (): void => {};
  host.on((message) => {
    if (message.type !== "step") return;
    progress.push(...message.progress);
    load = message.load;
    check();
  });
  const endCount = () => progress.filter((item) => item.end !== null).length;
  const ended = (count: number) =>
    new Promise<void>((resolve) => {
      check = () => {
        if (endCount() >= count) resolve();
      };
      check();
    });
  const of = (id: string) => progress.filter((item) => item.requestId === id);
  return { progress, ended, of, load: () => load };
}

describe.skipIf(!canRun)("engine worker with the native engine", () => {
  let folder = "";
  let manifestPath = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fairlane-engine-worker-"));
    const path = fileURLToPath(
      new URL(`../../../test/fixtures/tiny-llama/${MODEL_NAME}`, import.meta.url),
    );
    const model = await openModel(path, { cacheFolder: folder });
    manifestPath = join(folder, "manifest.txt");
    await writeManifest(model, manifestPath);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  function options(sizes: {
    slotCount: number;
    pageCount: number;
    budgetTokens: number;
  }): WorkerOptions {
    const { slotCount, pageCount, budgetTokens } = sizes;
    return {
      engine: {
        manifestPath,
        isa: "generic",
        numerics: "f32",
        pageCount,
        slotCount,
        threadCount: 1,
        capacity: stepCapacityFor({ slotCount, stepBudgetTokens: budgetTokens }),
      },
      stepBudgetTokens: budgetTokens,
    };
  }

  it.each([
    ["all at once", { slotCount: 16, pageCount: 256, budgetTokens: 512 }],
    ["few slots, few pages, small chunks", { slotCount: 3, pageCount: 24, budgetTokens: 13 }],
  ])("generates the goldens' tokens: %s", { timeout: 60_000 }, async (_, sizes) => {
    await using host = new EngineHost();
    const info = await host.start(options(sizes));
    expect(info).toMatchObject({ backend: "generic", pageTokens: 16, slotCount: sizes.slotCount });
    const heard = listen(host);
    const expected = goldens();
    const requests = expected.map(({ promptIds, generatedIds }, index) =>
      engineRequest(`req_${index}`, {
        promptTokens: promptIds,
        maxOutputTokens: generatedIds.length,
      }),
    );
    host.submit(requests);
    await heard.ended(requests.length);
    for (const [index, { promptIds, generatedIds }] of expected.entries()) {
      const progress = heard.of(`req_${index}`);
      expect(progress.flatMap((item) => [...item.newTokens])).toEqual(generatedIds);
      expect(progress.at(-1)).toMatchObject({
        counts: { computedPromptTokens: promptIds.length, outputTokens: generatedIds.length },
        end: { reason: "length", error: null },
      });
    }
    expect(heard.load()).toMatchObject({ running: 0, waiting: 0, pagesFree: sizes.pageCount });
  });

  it("frees slot and pages of a cancelled request and serves the next from them", async () => {
    await using host = new EngineHost();
    await host.start(options({ slotCount: 1, pageCount: 12, budgetTokens: 64 }));
    const heard = listen(host);
    const [golden] = goldens();
    assert(golden !== undefined, "no goldens");
    const prompt = { promptTokens: golden.promptIds };
    host.submit([engineRequest("long", { ...prompt, maxOutputTokens: 100 })]);
    host.submit([
      engineRequest("next", { ...prompt, maxOutputTokens: golden.generatedIds.length }),
    ]);
    host.cancel(["long"]);
    await heard.ended(2);
    expect(heard.of("long").at(-1)?.end).toEqual({ reason: "cancelled", error: null });
    const said = heard.of("next").flatMap((item) => [...item.newTokens]);
    expect(said).toEqual(golden.generatedIds);
  });

  it("says why a model cannot be opened", async () => {
    await using host = new EngineHost();
    const sizes = { slotCount: 1, pageCount: 8, budgetTokens: 16 };
    const { engine, stepBudgetTokens } = options(sizes);
    const missing = join(folder, "missing.txt");
    const started = host.start({ engine: { ...engine, manifestPath: missing }, stepBudgetTokens });
    await expect(started).rejects.toThrow("missing.txt");
  });
});
