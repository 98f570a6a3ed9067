// Owns where prompts are tokenised: short ones here, long ones on a thread of their own, so that a long prompt never
// keeps the main thread from the tokens of others. What the tokens are is tokenize/'s. Invariant: every encode settles,
// also when the thread dies.
import { Worker } from "node:worker_threads";
import { AppError, messageText, type ErrorValue } from "@fairlane/protocol";
import type { ChatTemplate, ChatTemplateSource } from "../tokenize/chat-template.ts";
import { withoutTools, type ChatPrompt } from "../tokenize/tool-prompt.ts";
import type { TokenizerSource } from "../tokenize/tokenizer-source.ts";
import type { Tokenizer } from "../tokenize/tokenizer.ts";
import {
  INLINE_CHARS_MAX,
  LONG_PROMPT_CHARS_MAX,
  LONG_PROMPTS_MAX,
  MESSAGE_COST_CHARS,
} from "./limits.ts";

/** What the thread is started with. */
export interface EncoderSource {
  readonly tokenizer: TokenizerSource;
  readonly template: ChatTemplateSource;
}

/** A chat, to which the template is applied, or a plain text. */
export type EncodeJob =
  | { readonly jobId: number; readonly chat: ChatPrompt }
  | { readonly jobId: number; readonly text: string };

export type EncodeAnswer =
  | { readonly jobId: number; readonly tokens: Int32Array }
  | { readonly jobId: number; readonly error: ErrorValue };

/** How a text alone is tokenised. */
export const PLAIN_TEXT = { specialTokens: "plain", addsPromptTokens: true } as const;

interface Waiting {
  readonly chars: number;
  readonly resolve: (tokens: Int32Array) => void;
  readonly reject: (error: Error) => void;
}

export class ChatEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #source: EncoderSource;
  readonly #waiting = new Map<number, Waiting>();
  #waitingChars = 0;
  #worker: Worker | undefined;
  #lastJobId = 0;

  constructor(parts: {
    readonly tokenizer: Tokenizer;
    readonly template: ChatTemplate;
    readonly source: EncoderSource;
  }) {
    this.#tokenizer = parts.tokenizer;
    this.#template = parts.template;
    this.#source = parts.source;
  }

  /** Token ids of a chat, ready for the answer. Throws AppError where the template refuses or the queue is full. */
  async encode(chat: ChatPrompt): Promise<Int32Array> {
    const chars = charsOf(chat);
    if (chars <= INLINE_CHARS_MAX) return encodeChat(chat, this.#template, this.#tokenizer);
    return this.#encodeOnThread(chars, (jobId) => ({ jobId, chat }));
  }

  /** Token ids of a text as the model wants one that stands alone; none of it is a control token. Throws likewise. */
  async encodeText(text: string): Promise<Int32Array> {
    if (text.length <= INLINE_CHARS_MAX) return this.#tokenizer.encode(text, PLAIN_TEXT);
    return this.#encodeOnThread(text.length, (jobId) => ({ jobId, text }));
  }

  /** Stops the thread; what waits is rejected. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #encodeOnThread(chars: number, jobOf: (jobId: number) => EncodeJob): Promise<Int32Array> {
    if (
      this.#waiting.size >= LONG_PROMPTS_MAX ||
      this.#waitingChars + chars > LONG_PROMPT_CHARS_MAX
    ) {
      const message = `${this.#waiting.size} long prompts wait to be tokenised.`;
      return Promise.reject(new AppError("overloaded", message));
    }
    this.#worker ??= this.#startWorker();
    const worker = this.#worker;
    this.#lastJobId += 1;
    const jobId = this.#lastJobId;
    this.#waitingChars += chars;
    return new Promise((resolve, reject) => {
      this.#waiting.set(jobId, { chars, resolve, reject });
      worker.postMessage(jobOf(jobId));
    });
  }

  #startWorker(): Worker {
    const entry = new URL("./chat-encoder-worker.ts", import.meta.url);
    const worker = new Worker(entry, { workerData: this.#source });
    // The thread alone does not keep the process alive.
    worker.unref();
    worker.on("message", (answer: EncodeAnswer) => this.#answered(answer));
    // An error is followed by the exit; its text could carry a prompt.
    worker.on("error", () => {});
    worker.on("exit", () => {
      this.#worker = undefined;
      for (const jobId of this.#waiting.keys()) {
        this.#take(jobId)?.reject(new Error("the tokenising thread ended"));
      }
    });
    return worker;
  }

  #answered(answer: EncodeAnswer): void {
    const waiting = this.#take(answer.jobId);
    if ("tokens" in answer) waiting?.resolve(answer.tokens);
    else waiting?.reject(AppError.of(answer.error));
  }

  #take(jobId: number): Waiting | undefined {
    const waiting = this.#waiting.get(jobId);
    if (!waiting) return undefined;
    this.#waiting.delete(jobId);
    this.#waitingChars -= waiting.chars;
    return waiting;
  }
}

/** The token ids of a chat, rendered with the template in the way that it knows of tools. */
export function encodeChat(
  chat: ChatPrompt,
  template: ChatTemplate,
  tokenizer: Tokenizer,
): Int32Array {
  if (!template.knowsTools) return template.encode(tokenizer, withoutTools(chat));
  const { messages, tools } = chat;
  return template.encode(tokenizer, messages, { tools });
}

/** What rendering and tokenising cost. */
function charsOf({ messages, tools }: ChatPrompt): number {
  const ofTools = tools === undefined ? 0 : JSON.stringify(tools).length;
  return messages.reduce((sum, { content, tool_calls }) => {
    const ofCalls = tool_calls === undefined ? 0 : JSON.stringify(tool_calls).length;
    return sum + MESSAGE_COST_CHARS + messageText(content).length + ofCalls;
  }, ofTools);
}
