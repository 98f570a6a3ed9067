// The conformance suite of the Engine interface: what every implementation promises to the scheduler, whatever it
// computes with. Run it with a factory per implementation (engine-backends.test.ts).
import { describe, expect, it } from "vitest";
import { describeAdapters } from "./adapter-suite.ts";
import { describeEmbeddings } from "./embedding-suite.ts";
import { withEngine, type EngineUnderTest } from "./engine-under-test.ts";
import { describeBuffers, describeTime } from "./flight-suite.ts";
import { describeMasks } from "./mask-suite.ts";
import { describeCopies, describeDeterminism, describeSampling } from "./output-suite.ts";
import { describePageMoves } from "./page-moves.ts";
import { describeRefusals } from "./refusal-suite.ts";

/** Registers the whole suite for one implementation. */
export function describeEngine(subject: EngineUnderTest): void {
  describe(`Engine: ${subject.name}`, () => {
    it("says what it is", async () => {
      await withEngine(subject, async ({ info }) => {
        expect(info.vocabSize).toBeGreaterThan(211);
        expect([info.pageTokens, info.pageCount, info.slotCount]).toEqual([16, 320, 8]);
        expect(info.pageBytes).toBeGreaterThan(0);
        expect(info.kvGroups).toHaveLength(1);
        expect(info.kvGroups[0]).toMatchObject({ windowTokens: null });
        expect(info.kvGroups[0]?.pageBytes).toBe(info.pageBytes);
        expect(info.numericsClass).toMatch(/^[\x21-\x7e]+$/);
        expect(info.capacity.tokens).toBe(4096);
      });
    });
    describe("determinism", () => describeDeterminism(subject));
    describe("sampling", () => describeSampling(subject));
    describe("page copies", () => describeCopies(subject));
    describe("embeddings", () => describeEmbeddings((run) => withEngine(subject, run)));
    describe("page moves", () => describePageMoves(subject, withEngine));
    describe("adapters", () => describeAdapters(subject, withEngine));
    describe("refused plans", () => describeRefusals(subject));
    describe("masks", () => describeMasks(subject));
    describe("buffers", () => describeBuffers(subject));
    describe("time", () => describeTime(subject));
  });
}
