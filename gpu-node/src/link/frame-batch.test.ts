import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { FrameBatch } from "./frame-batch.ts";

function collected() {
  const messages: string[] = [];
  return { messages, batch: new FrameBatch((message) => messages.push(message)) };
}

it("sends what a turn made as one message, in order, and a single frame as it is", async () => {
  const { messages, batch } = collected();
  batch.add('{"type":"accept"}');
  await Promise.resolve();
  batch.add('{"type":"step"}');
  expect(messages).toEqual([]);
  await turn();
  batch.add('{"type":"done"}');
  await turn();
  expect(messages).toEqual(['[{"type":"accept"},{"type":"step"}]', '{"type":"done"}']);
});

it("keeps messages within the bounds on frames and characters", () => {
  const { messages, batch } = collected();
  for (let frame = 0; frame < 1_025; frame++) batch.add("1");
  expect(messages.map((message) => message.length)).toEqual([2 * 1_024 + 1]);
  batch.flush();
  const half = "x".repeat(600_000);
  batch.add(half);
  batch.add(half);
  batch.flush();
  expect(messages.slice(1)).toEqual(["1", half, half]);
});

it("sends nothing that was dropped", async () => {
  const { messages, batch } = collected();
  batch.add("1");
  batch.drop();
  await turn();
  expect(messages).toEqual([]);
});
