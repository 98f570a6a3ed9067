// Answers under a grammar in the scheduler: who waits for a mask, and how such an answer ends.
import { describe, expect, it } from "vitest";
import type { RequestProgress } from "../engine/worker-messages.ts";
import { exprs, type Expr } from "../grammar/expr.ts";
import type { AnswerGrammar } from "../grammar/grammar-store.ts";
import { byteVocabulary, END_TOKEN } from "../grammar/testing/byte-vocabulary.ts";
import { bytesOfToken } from "../grammar/vocabulary.ts";
import { Scheduler } from "./scheduler.ts";
import { StepCycle } from "./step.ts";
import { engineRequest, type RequestFields } from "./testing/engine-request.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

const { choice, oneOf, repeat, sequence, text } = exprs;
const vocabulary = byteVocabulary();

function grammarOf(root: Expr): AnswerGrammar {
  return { key: JSON.stringify(root), grammar: { root, rules: {} }, param: "response_format" };
}

const spelled = (token: number): string =>
  Buffer.from(bytesOfToken(vocabulary, token)).toString("latin1");

const LETTERS = grammarOf(sequence(text("a"), repeat(oneOf("bc"), 4, 4), text("d")));

function started(options: { readonly pageCount?: number } = {}) {
  const engine = new PagedCheckEngine({ vocabSize: vocabulary.size, slotCount: 8, ...options });
  const scheduler = new Scheduler({
    info: engine.info,
    clock: { nowMs: () => 0 },
    stepBudgetTokens: 16,
  });
  scheduler.parts.grammars.useVocabulary(vocabulary);
  const cycle = new StepCycle(scheduler, engine);
  const said = new Map<string, string>();
  const ends = new Map<string, RequestProgress["end"]>();
  const submit = (id: string, fields: RequestFields) => {
    said.set(id, "");
    return scheduler.submit(engineRequest(id, { maxOutputTokens: 40, ...fields }));
  };
  const settle = (): void => {
    for (const { requestId, newTokens, end } of cycle.settle(engine.takeResult())) {
      const letters = newTokens.map((token) => spelled(token)).join("");
      said.set(requestId, (said.get(requestId) ?? "") + letters);
      if (end !== null) ends.set(requestId, end);
    }
  };
  const run = (): void => {
    while (scheduler.hasWork) {
      while (cycle.inFlightCount < 2 && cycle.start());
      settle();
    }
  };
  return { engine, scheduler, cycle, said, ends, submit, settle, run };
}

describe("answers under a grammar", () => {
  it("follow it and end with its last token, whatever the model would rather say", () => {
    const { submit, run, said, ends } = started();
    expect(submit("a", { grammar: LETTERS, stopTokenIds: [END_TOKEN] })).toBeNull();
    run();
    expect(said.get("a")).toMatch(/^a[bc]{4}d$/);
    expect(ends.get("a")).toEqual({ reason: "stop", error: null });
  });

  it("end with a stop token where the grammar may end, and with length where the maximum is", () => {
    const { submit, run, said, ends } = started();
    const open = grammarOf(repeat(oneOf("x"), 3, null));
    submit("cut", { grammar: open, maxOutputTokens: 5 });
    submit("whole", { grammar: grammarOf(repeat(oneOf("x"), 1, 1)), maxOutputTokens: 1 });
    run();
    expect([said.get("cut"), ends.get("cut")?.reason]).toEqual(["xxxxx", "length"]);
    // The last token that may be said completes it.
    expect([said.get("whole"), ends.get("whole")?.reason]).toEqual(["x", "stop"]);
  });

  it("wait for their masks alone: others have a row in every step", () => {
    const { submit, cycle, settle, engine } = started();
    submit("masked", { grammar: LETTERS });
    submit("free", {});
    const rows: string[][] = [];
    for (let step = 0; step < 8; step++) {
      while (cycle.inFlightCount < 2 && cycle.start()) {
        const { batch } = cycle;
        rows.push(
          Array.from({ length: batch.rowCount }, (_, i) => batch.row(i).request.spec.requestId),
        );
      }
      settle();
    }
    expect(rows[0]).toEqual(["masked", "free"]);
    expect(rows.every((ids) => ids.includes("free"))).toBe(true);
    expect(rows.slice(1, 5)).toEqual([["free"], ["masked", "free"], ["free"], ["masked", "free"]]);
    expect(engine.submitCount).toBe(rows.length);
  });

  it("say the same in any company and after a preemption", () => {
    const alone = started();
    alone.submit("a", { grammar: LETTERS, promptLength: 9 });
    alone.run();
    const crowded = started({ pageCount: 14 });
    for (const id of ["x", "y"]) crowded.submit(id, { promptLength: 9, maxOutputTokens: 30 });
    crowded.submit("a", { grammar: LETTERS, promptLength: 9 });
    crowded.submit("z", { grammar: LETTERS, promptLength: 7, maxOutputTokens: 30 });
    crowded.run();
    expect(crowded.said.get("a")).toBe(alone.said.get("a"));
    expect(crowded.said.get("z")).toMatch(/^a[bc]{4}d$/);
    expect(crowded.scheduler.preemptions.recomputeCount).toBeGreaterThan(0);
  });

  it("end with an error where no token is left, and leave the others alone", () => {
    const { submit, run, said, ends } = started();
    const stuck: AnswerGrammar = {
      key: "stuck",
      grammar: { root: sequence(text("a"), choice()), rules: {} },
      param: "response_format",
    };
    submit("stuck", { grammar: stuck });
    submit("free", { maxOutputTokens: 3 });
    run();
    expect(ends.get("stuck")).toMatchObject({
      reason: "error",
      error: { code: "no_token_allowed" },
    });
    expect(ends.get("free")?.reason).toBe("length");
    expect(said.get("stuck")).toBe("a");
  });

  it("leave out what would be followed in too many ways", () => {
    const { submit, run, ends, said } = started();
    const inner = choice(exprs.rule("list"), exprs.rule("other"), text("x"));
    const list = sequence(text("["), inner, text("]"));
    const other = sequence(text("["), inner, text("]"));
    const grammar = { root: exprs.rule("list"), rules: { list, other } };
    submit("deep", { grammar: { key: "deep", grammar, param: "tools" }, maxOutputTokens: 40 });
    run();
    expect(ends.get("deep")?.reason).toBe("stop");
    expect(said.get("deep")).toMatch(/^\[{1,14}x\]{1,14}$/);
  });

  it("get four new masks a step, so that nobody waits for more", () => {
    const { submit, cycle, settle, said } = started();
    const masked = ["a", "b", "c", "d", "e", "f"];
    for (const id of masked) {
      // Each has masks of its own.
      submit(id, {
        grammar: grammarOf(sequence(text(id), repeat(oneOf(`${id}x`), 9, 9))),
        promptLength: 1,
      });
    }
    submit("free", { promptLength: 1 });
    const counts: number[] = [];
    for (let step = 0; step < 4; step++) {
      cycle.start();
      const ids = Array.from(
        { length: cycle.batch.rowCount },
        (_, i) => cycle.batch.row(i).request.spec.requestId,
      );
      expect(ids).toContain("free");
      counts.push(ids.length - 1);
      settle();
    }
    // The first masks were made when they were submitted.
    expect(counts).toEqual([6, 4, 4, 4]);
    for (let step = 0; step < 8; step++) {
      cycle.start();
      settle();
    }
    // By turns: 6 + 11 x 4 tokens, and nobody is left behind.
    for (const id of masked) expect(said.get(id)?.length).toBeGreaterThan(5);
  });

  it("are refused before the vocabulary is known", () => {
    const engine = new PagedCheckEngine();
    const scheduler = new Scheduler({
      info: engine.info,
      clock: { nowMs: () => 0 },
      stepBudgetTokens: 16,
    });
    const error = scheduler.submit(engineRequest("a", { grammar: LETTERS }));
    expect(error?.code).toBe("overloaded");
  });
});
