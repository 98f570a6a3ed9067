// Owns the frame that carries work to a node, many requests at once, and the frame that takes work back.
import { z } from "zod";
import { ANSWER_FORM_CHARS_MAX, NAME_CHARS_MAX, SUBMIT_REQUESTS_MAX } from "../limits.ts";
import { chatRequestSchema } from "../openai/chat.ts";
import { completionRequestSchema } from "../openai/completions.ts";
import { embeddingRequestSchema } from "../openai/embeddings.ts";
import { submitAdapter } from "./adapter.ts";

const id = z.string().min(1).max(NAME_CHARS_MAX);

const terms = z.object({
  id,
  attempt: z.int().positive(),
  tenant_id: id,
  project_id: id,
  key_id: id,
  /** 64 hex digits, derived by the server; part of every cache key. */
  tenant_salt: z.string().length(64),
  /** Fair-share weight of the tenant, >= 1. */
  weight: z.int().positive(),
  tier: z.enum(["interactive", "batch"]),
  /** Milliseconds since 1970 after which an answer is of no use. */
  deadline_ms: z.int().positive(),
  /** Prices are fixed at admission and travel to the ledger with the usage. */
  price_version: id,
  /** The hub's note of how the answer is shown; with one, a client that comes back may attach to it. */
  form: z.string().max(ANSWER_FORM_CHARS_MAX).optional(),
  /** Output tokens of each answer that may be computed until a `grant` frame says more; absent: no such bound. */
  grant_tokens: z.int().positive().optional(),
  /** More may come: an answer at the end of its grant waits for that a while. Absent: it ends there. */
  grant_may_grow: z.literal(true).optional(),
  /** What the model runs with; absent = nothing. */
  adapter: submitAdapter.optional(),
});

export const submitRequest = z.discriminatedUnion("endpoint", [
  terms.extend({ endpoint: z.literal("chat.completions"), body: chatRequestSchema }),
  // Only to nodes whose hello names it.
  terms.extend({ endpoint: z.literal("completions"), body: completionRequestSchema }),
  // Only to nodes whose hello names it. Accepted with the prompt's size and done at once; in no usage record.
  terms.extend({ endpoint: z.literal("count_tokens"), body: chatRequestSchema }),
  // Only to nodes whose hello names it.
  terms.extend({ endpoint: z.literal("embeddings"), body: embeddingRequestSchema }),
]);

export const submitFrame = z.object({
  type: z.literal("submit"),
  requests: z.array(submitRequest).min(1).max(SUBMIT_REQUESTS_MAX),
});

export const cancelFrame = z.object({
  type: z.literal("cancel"),
  ids: z.array(id).min(1).max(SUBMIT_REQUESTS_MAX),
});

export type SubmitRequest = z.infer<typeof submitRequest>;
export type SubmitFrame = z.infer<typeof submitFrame>;
export type CancelFrame = z.infer<typeof cancelFrame>;
