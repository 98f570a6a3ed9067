// Owns rendering messages to the text that a model was trained on, with @huggingface/jinja and the template that
// came with the model. Templates see what transformers gives them. Content is data: it is never parsed as a
// template, and control tokens spelled in it are marked so that the tokenizer leaves them text
// (docs/adr/2026-11-21-special-tokens-in-content.md).
import type { Clock } from "@fairlane/base";
import {
  AppError,
  messageText,
  type ChatMessage,
  type Tool,
  type ToolCall,
} from "@fairlane/protocol";
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { CHAT_TEMPLATE_CHARS_MAX, TEMPLATE_RANGE_MAX } from "../model/limits.ts";
import { errorText, ModelError } from "../model/model-error.ts";
import { formatTime } from "./format-time.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The messages of a chat request; roles that only templates know pass as they are. */
export interface TemplateMessage {
  readonly role: string;
  readonly content?: ChatMessage["content"];
  readonly name?: string | undefined;
  readonly tool_calls?: ChatMessage["tool_calls"];
  readonly tool_call_id?: string | undefined;
  readonly reasoning_content?: string | null | undefined;
}

export interface ChatTemplateSource {
  /** The file named in errors. */
  readonly file: string;
  readonly text: string;
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
}

export interface RenderOptions {
  /** End with the opening of the assistant's turn; on unless stated. */
  readonly addGenerationPrompt?: boolean;
  /** What the model may call. */
  readonly tools?: readonly Tool[] | undefined;
}

interface TemplateInput {
  readonly messages: readonly Record<string, unknown>[];
  readonly tools: readonly unknown[] | null;
}

/** Thrown by a template's own raise_exception. */
class TemplateRefusal extends Error {}

// Supplementary private use: no text is expected to hold these, and one that the content lacks is taken.
const FIRST_MARK = 0xf0000;
const LAST_MARK = 0xffffd;
const MARKS = /[\u{f0000}-\u{ffffd}]/gu;

export class ChatTemplate {
  private readonly source: ChatTemplateSource;
  private readonly clock: Clock;
  private readonly program: ReturnType<typeof parse>;

  constructor(source: ChatTemplateSource, clock: Clock) {
    const { file, text } = source;
    if (text.length > CHAT_TEMPLATE_CHARS_MAX) {
      const problem = `has ${text.length} characters, more than ${CHAT_TEMPLATE_CHARS_MAX}`;
      throw new ModelError(file, "chat_template", problem);
    }
    this.source = source;
    this.clock = clock;
    try {
      this.program = parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
    } catch (thrown) {
      throw new ModelError(file, "chat_template", errorText(thrown));
    }
  }

  /** The text stands in the template. */
  spells(text: string): boolean {
    return this.source.text.includes(text);
  }

  /** It says itself how tools, calls and results are written. */
  get knowsTools(): boolean {
    return /\btools\b/.test(this.source.text);
  }

  /** The prompt's text, as transformers renders it. Throws AppError invalid_messages when the template refuses. */
  render(messages: readonly TemplateMessage[], options: RenderOptions = {}): string {
    return this.run(
      { messages: messages.map(plainMessage), tools: options.tools ?? null },
      options,
    );
  }

  /** The prompt's token ids; no message can bring a control token in. Throws as render does. */
  encode(
    tokenizer: Tokenizer,
    messages: readonly TemplateMessage[],
    options: RenderOptions = {},
  ): Int32Array {
    const plain = { messages: messages.map(plainMessage), tools: options.tools ?? null };
    const marker = makeMarker(tokenizer, plain, this.source.text);
    const marked = mapTexts(plain, marker.mark);
    return tokenizer.encodeMarked(this.run(marked, options), marker.character);
  }

  private run({ messages, tools }: TemplateInput, options: RenderOptions): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries(this.globals())) environment.set(name, value);
    environment.set("messages", messages);
    environment.set("tools", tools);
    environment.set("add_generation_prompt", options.addGenerationPrompt ?? true);
    try {
      const result = new Interpreter(environment).run(this.program);
      if (typeof result.value === "string") return result.value;
      throw new Error("the template gave no text");
    } catch (thrown) {
      throw asAppError(thrown);
    }
  }

  private globals(): Record<string, unknown> {
    const { bosToken, eosToken } = this.source;
    return {
      false: false,
      true: true,
      none: null,
      False: false,
      True: true,
      None: null,
      documents: null,
      ...(bosToken === undefined ? {} : { bos_token: bosToken }),
      ...(eosToken === undefined ? {} : { eos_token: eosToken }),
      range: boundedRange,
      strftime_now: (format: string) => formatTime(this.clock.nowMs(), format),
      raise_exception: (message: unknown) => {
        throw new TemplateRefusal(String(message));
      },
    };
  }
}

/** A message as templates expect it: text parts joined, arguments as objects, "developer" under its older name. */
function plainMessage(message: TemplateMessage): Record<string, unknown> {
  const { name, tool_calls, tool_call_id, reasoning_content } = message;
  return {
    role: message.role === "developer" ? "system" : message.role,
    content: messageText(message.content),
    ...(name === undefined ? {} : { name }),
    ...(tool_call_id === undefined ? {} : { tool_call_id }),
    ...(reasoning_content ? { reasoning_content } : {}),
    ...(tool_calls === undefined ? {} : { tool_calls: tool_calls.map(plainCall) }),
  };
}

function plainCall(call: ToolCall): Record<string, unknown> {
  const { name, arguments: given } = call.function;
  return { ...call, function: { name, arguments: parsedOr(given) } };
}

/** What a client calls arguments may be no JSON; templates then get the text. */
function parsedOr(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    return given;
  }
}

/** Puts a character that neither template nor input hold into every control token's spelling. */
function makeMarker(tokenizer: Tokenizer, input: TemplateInput, template: string) {
  const values: string[] = [];
  mapTexts(input, (text) => {
    values.push(text);
    return text;
  });
  const character = freeCharacter([template, ...values, ...tokenizer.specialTexts()]);
  const mark = (text: string): string => {
    if (!tokenizer.holdsSpecial(text)) return text;
    let marked = text;
    // One after the other, as one control token's spelling may lie within another's.
    for (const special of tokenizer.specialTexts()) {
      const [first = ""] = special;
      const spelled = `${first}${character}${special.slice(first.length)}`;
      marked = marked.replaceAll(special, () => spelled);
    }
    return marked;
  };
  return { character, mark };
}

function freeCharacter(texts: readonly string[]): string {
  const used = new Set<string>();
  for (const text of texts) for (const [character] of text.matchAll(MARKS)) used.add(character);
  for (let code = FIRST_MARK; code <= LAST_MARK; code++) {
    const character = String.fromCodePoint(code);
    if (!used.has(character)) return character;
  }
  const message = "The messages hold every private-use character; no prompt can be made of them.";
  throw new AppError("invalid_messages", message, { param: "messages" });
}

/** The same with every text in it, names of members included, put through `map`. */
function mapTexts<T>(value: T, map: (text: string) => string): T {
  const mapped = (one: unknown): unknown => {
    if (typeof one === "string") return map(one);
    if (Array.isArray(one)) return one.map(mapped);
    if (typeof one !== "object" || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([key, of]) => [map(key), mapped(of)]));
  };
  return mapped(value) as T;
}

function boundedRange(...bounds: readonly unknown[]): readonly number[] {
  const [start = 0, stop = 0, step = 1] =
    bounds.length === 1 ? [0, Number(bounds[0])] : bounds.map(Number);
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= TEMPLATE_RANGE_MAX))
    throw new Error(`range() is longer than ${TEMPLATE_RANGE_MAX}`);
  return Array.from({ length }, (_, index) => start + index * step);
}

function asAppError(thrown: unknown): AppError {
  const reason = errorText(thrown);
  if (thrown instanceof TemplateRefusal) {
    const message = `The model's chat template refuses these messages: ${reason}`;
    return new AppError("invalid_messages", message, { param: "messages" });
  }
  const message = `The model's chat template cannot render these messages: ${reason}`;
  return new AppError("invalid_messages", message, { param: "messages" });
}
