// Owns the shape of answers in the Messages API.
import type { EventShape, WholeAnswer } from "../openai/answer-shape.ts";
import type { ChatHead } from "../openai/chat-response.ts";
import { messageBlocks, messageBody, stopReasonOf } from "./message-body.ts";
import { MessageEvents } from "./message-events.ts";

export const MESSAGE_SHAPE: EventShape = {
  events: (head) => new MessageEvents(head),
  whole(head: ChatHead, { choices, counts, stopString }: WholeAnswer) {
    const [answer = { text: "", finishReason: "stop" } as const] = choices;
    const content = messageBlocks(answer);
    const hasCalls = content.some(({ type }) => type === "tool_use");
    const stopReason = stopReasonOf({ finishReason: answer.finishReason, stopString }, hasCalls);
    const stopSequence = stopReason === "stop_sequence" ? (stopString ?? null) : null;
    return messageBody(head, { content, stopReason, stopSequence, counts });
  },
};
