// Owns the entry of the tokenising thread: one chat after another, template applied. Started by chat-encoder.ts,
// never imported.
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@fairlane/base";
import { AppError } from "@fairlane/protocol";
import { ChatTemplate } from "../tokenize/chat-template.ts";
import { Tokenizer } from "../tokenize/tokenizer.ts";
import {
  encodeChat,
  PLAIN_TEXT,
  type EncodeAnswer,
  type EncodeJob,
  type EncoderSource,
} from "./chat-encoder.ts";

const port = parentPort;
assert(port !== null, "chat-encoder-worker.ts runs in a worker thread");
const source = workerData as EncoderSource;
const tokenizer = new Tokenizer(source.tokenizer);
const template = new ChatTemplate(source.template, { nowMs: () => Date.now() });

port.on("message", (job: EncodeJob) => {
  const answer = answerTo(job);
  const transfer = "tokens" in answer ? [answer.tokens.buffer as ArrayBuffer] : [];
  port.postMessage(answer, transfer);
});

function answerTo(job: EncodeJob): EncodeAnswer {
  const { jobId } = job;
  try {
    if ("text" in job) return { jobId, tokens: tokenizer.encode(job.text, PLAIN_TEXT) };
    return { jobId, tokens: encodeChat(job.chat, template, tokenizer) };
  } catch (error) {
    if (error instanceof AppError) return { jobId, error: error.value };
    // The message of a library's error could carry the prompt.
    const message = "The messages could not be tokenised.";
    return { jobId, error: { code: "internal_error", message, param: null } };
  }
}
