// Owns what the sinks have to know of a request: the shape of its answer, how many choices, whether usage is streamed; and
// the note of it that travels to the node and back, so that a hub without memory can go on with the stream.
import {
  CHAT_SHAPE,
  choiceCounts,
  completionChoices,
  MESSAGE_SHAPE,
  responseShape,
  textCompletionShape,
  type AnswerKind,
  type AnswerShape,
  type EventShape,
  type HubCompletionRequest,
  type HubGrant,
  type HubRequest,
  type ResponseEcho,
} from "@fairlane/protocol";
import { z } from "zod";

export interface AnswerForm {
  readonly shape: AnswerShape | EventShape;
  readonly choiceCount: number;
  readonly includeUsage: boolean;
}

/** A form as it comes back, with the time of the request, which is in every chunk, and by which terms it is computed. */
export interface NotedForm extends AnswerForm {
  readonly createdMs: number;
  /** Absent in notes of earlier versions. */
  readonly terms: NotedTerms | undefined;
}

/** Who pays for an answer, and up to where; the reader who comes back may have another key. */
export interface NotedTerms {
  readonly attempt: number;
  readonly projectId: string;
  readonly keyId: string;
  readonly priceVersion: string;
  /** As the request came with it. */
  readonly grant: HubGrant | undefined;
}

const noteSchema = z.object({
  endpoint: z.enum(["chat.completions", "completions"]),
  choices: z.int().positive(),
  usage: z.boolean(),
  created_ms: z.int().nonnegative(),
  /** As of HubRequest, without what only the hub that took the request can do: keep the answer. */
  answer: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("response"), echo: z.custom<ResponseEcho>(isObject) }),
      z.object({ kind: z.literal("message") }),
    ])
    .optional(),
  terms: z
    .object({
      attempt: z.int().positive(),
      projectId: z.string(),
      keyId: z.string(),
      priceVersion: z.string(),
      grant: z
        .object({
          tokens: z.int().positive(),
          outputTokensMax: z.int().positive(),
          answerCount: z.int().positive(),
          model: z.string().nullable(),
          leaseUntilMs: z.int(),
        })
        .optional(),
    })
    .optional(),
});

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** The form of one answer; of a completion to be used for one only. */
export function answerForm(request: HubRequest | HubCompletionRequest): AnswerForm {
  const includeUsage = request.body.stream_options?.include_usage === true;
  if ("endpoint" in request) {
    const choiceCount = completionChoices(request.body);
    return { shape: textCompletionShape(), choiceCount, includeUsage };
  }
  return {
    shape: shapeOf(request.answer),
    choiceCount: choiceCounts(request.body).given,
    includeUsage,
  };
}

type NotedAnswer = z.infer<typeof noteSchema>["answer"];

function shapeOf(answer: NotedAnswer): AnswerShape | EventShape {
  switch (answer?.kind) {
    case undefined:
      return CHAT_SHAPE;
    case "response":
      return responseShape(answer.echo);
    case "message":
      return MESSAGE_SHAPE;
  }
}

/** The note of a request's form. @param attempt at the node that gets the note */
export function formText(request: HubRequest | HubCompletionRequest, attempt: number): string {
  const { choiceCount, includeUsage } = answerForm(request);
  const { projectId, keyId, priceVersion, grant } = request;
  const note: z.infer<typeof noteSchema> = {
    endpoint: "endpoint" in request ? request.endpoint : "chat.completions",
    choices: choiceCount,
    usage: includeUsage,
    created_ms: request.createdMs,
    terms: { attempt, projectId, keyId, priceVersion, grant },
    ...("endpoint" in request || !request.answer ? {} : { answer: notedAnswer(request.answer) }),
  };
  return JSON.stringify(note);
}

function notedAnswer(answer: AnswerKind): NotedAnswer {
  return answer.kind === "message" ? answer : { kind: answer.kind, echo: answer.echo };
}

/** Reads a note; undefined for one that this version did not write. */
export function readForm(text: string): NotedForm | undefined {
  try {
    const note = noteSchema.parse(JSON.parse(text));
    const shape = note.endpoint === "completions" ? textCompletionShape() : shapeOf(note.answer);
    const { choices: choiceCount, usage: includeUsage, created_ms: createdMs } = note;
    const terms = note.terms && { ...note.terms, grant: note.terms.grant };
    return { shape, choiceCount, includeUsage, createdMs, terms };
  } catch {
    return undefined;
  }
}
