// Owns rendering messages to the text that a model was trained on, with @huggingface/jinja and the template that
// came with the model. Templates see what transformers gives them. Content is data: it is never parsed as a
// template, and control tokens spelled in it are marked so that the tokenizer leaves them text
// (docs/adr/2026-11-21-special-tokens-in-content.md).
import type { Clock } from "@fairlane/base";
import { AppError, messageText, type ChatMessage } from "@fairlane/protocol";
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { CHAT_TEMPLATE_CHARS_MAX, TEMPLATE_RANGE_MAX } from "../model/limits.ts";
import { errorText, ModelError } from "../model/model-error.ts";
import { formatTime } from "./format-time.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The messages of a chat request; roles that only templates know (tool) pass as they are. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: ChatMessage["content"];
  readonly name?: string | undefined;
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

  /** The prompt's text, as transformers renders it. Throws AppError invalid_messages when the template refuses. */
  render(messages: readonly TemplateMessage[], options: RenderOptions = {}): string {
    return this.run(messages.map(plainMessage), options);
  }

  /** The prompt's token ids; no message can bring a control token in. Throws as render does. */
  encode(
    tokenizer: Tokenizer,
    messages: readonly TemplateMessage[],
    options: RenderOptions = {},
  ): Int32Array {
    const plain = messages.map(plainMessage);
    const marker = makeMarker(tokenizer, plain, this.source.text);
    const marked = plain.map((message) => mapValues(message, marker.mark));
    return tokenizer.encodeMarked(this.run(marked, options), marker.character);
  }

  private run(messages: readonly Record<string, string>[], options: RenderOptions): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries(this.globals())) environment.set(name, value);
    environment.set("messages", messages);
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
      tools: null,
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

/** A message as templates expect it: text parts joined, and "developer" under its older name. */
function plainMessage(message: TemplateMessage): Record<string, string> {
  const role = message.role === "developer" ? "system" : message.role;
  const plain = { role, content: messageText(message.content) };
  return message.name === undefined ? plain : { ...plain, name: message.name };
}

/** Puts a character that neither template nor messages hold into every control token's spelling. */
function makeMarker(
  tokenizer: Tokenizer,
  messages: readonly Record<string, string>[],
  template: string,
) {
  const values = messages.flatMap((message) => Object.values(message));
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

function mapValues(
  record: Record<string, string>,
  map: (value: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
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
