// Owns N0 on the link: what a `submit` frame carries is validated, tokenised, journaled and accepted, or refused with
// the error that the client gets. Invariant: every id of a frame is answered once with `accept` or `refuse` (unless
// its link is lost first), and a request is in the journal before `accept` is sent and before the engine has it.
import { assert, ok, type Clock, type Random, type Result } from "@fairlane/base";
import type { ErrorValue, SubmitAdapter, SubmitFrame, SubmitRequest } from "@fairlane/protocol";
import type { WantedAdapter } from "../adapters/adapter.ts";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { faultFields, type Log } from "../log.ts";
import { prepareCompletions } from "../request/prepare-completions.ts";
import { prepareEmbeddings } from "../request/prepare-embeddings.ts";
import {
  countPrompt,
  prepareRequest,
  type RequestTerms,
  type ServedModel,
} from "../request/prepare-request.ts";
import { answerStreams, completionStreams } from "../stream/answer-streams.ts";
import { embeddingStreams } from "../stream/embedding-streams.ts";
import type { LiveStreams } from "../stream/live-streams.ts";
import type { BilledRequest } from "../usage/usage-record-row.ts";
import { billedRequest, promptTokensOf } from "./billed-request.ts";
import type { HubLink } from "./hub-link.ts";
import { CachedPrefixes } from "./cached-prefixes.ts";
import { INTAKE_SLICE_MS, PREPARING_REQUESTS_MAX } from "./limits.ts";
import type { PulledAdapters } from "./pulled-adapters.ts";
import { refuseFrame } from "./refuse-frame.ts";
import type { StepFrames } from "./step-frames.ts";

/** The link that a request came on, for as long as it is open. */
export interface IntakeLink {
  readonly link: Pick<HubLink, "send">;
  readonly frames: StepFrames;
  readonly isLost: () => boolean;
}

export interface SubmitIntakeOptions {
  readonly model: ServedModel;
  /** Brings the adapters here that requests name. */
  readonly adapters: Pick<PulledAdapters, "ready">;
  readonly streams: LiveStreams;
  readonly journal: { accept(requests: readonly BilledRequest[]): readonly number[] };
  readonly submitToEngine: (requests: readonly EngineRequest[]) => void;
  /** Why the node takes nothing new (draining, stuck, journal full), or null. */
  readonly refusal: () => ErrorValue | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface Prepared {
  readonly submitted: SubmitRequest;
  /** One; of embeddings and completions one for each input, the first with the id of the whole. */
  readonly requests: readonly EngineRequest[];
  readonly from: IntakeLink;
}

export class SubmitIntake {
  /** Beginnings of prompts that were taken here. */
  readonly prefixes = new CachedPrefixes();
  readonly #options: SubmitIntakeOptions;
  /** Requests between `submit` and their answer; false once a cancel has come for one. */
  readonly #preparing = new Map<string, boolean>();
  #prepared: Prepared[] = [];
  #isFlushDue = false;

  constructor(options: SubmitIntakeOptions) {
    this.#options = options;
  }

  /** Requests that are being prepared. */
  get preparingCount(): number {
    return this.#preparing.size;
  }

  /** Takes a frame. Resolves when each of its requests has been prepared or refused. */
  async submit(frame: SubmitFrame, from: IntakeLink): Promise<void> {
    const { clock } = this.#options;
    const receivedAtMs = clock.nowMs();
    const preparations: Promise<void>[] = [];
    let sliceStartMs = receivedAtMs;
    for (const submitted of frame.requests) {
      if (from.isLost()) break;
      preparations.push(this.#take({ submitted, receivedAtMs, from }));
      if (clock.nowMs() - sliceStartMs < INTAKE_SLICE_MS) continue;
      // Let step messages and what is prepared so far pass.
      await new Promise((resolve) => setImmediate(resolve));
      sliceStartMs = clock.nowMs();
    }
    await Promise.all(preparations);
  }

  /** Cancels what is being prepared and what runs. */
  cancel(ids: readonly string[]): void {
    for (const id of ids) if (this.#preparing.has(id)) this.#preparing.set(id, false);
    this.#options.streams.cancel(ids);
  }

  async #take(part: {
    readonly submitted: SubmitRequest;
    readonly receivedAtMs: number;
    readonly from: IntakeLink;
  }): Promise<void> {
    const { submitted, receivedAtMs, from } = part;
    const { id } = submitted;
    // 1. refusals that need no look at the prompt
    const early = this.#earlyRefusal(submitted, receivedAtMs);
    if (early) return refuse(from, id, early);
    this.#preparing.set(id, true);
    if (submitted.endpoint === "count_tokens") return this.#count(submitted, from);
    try {
      // 2. the adapter: the request waits for it here, others go on
      const { adapter } = submitted;
      const lacking = adapter === undefined ? null : await this.#options.adapters.ready(adapter);
      if (lacking) return this.#answerRefused(from, id, lacking);
      // 3. template, tokens, context
      const terms = {
        requestId: id,
        tenantId: submitted.tenant_id,
        keyId: submitted.key_id,
        tenantSalt: submitted.tenant_salt,
        weight: submitted.weight,
        tier: submitted.tier,
        ...(adapter === undefined ? {} : { adapter: wantedAdapter(adapter) }),
        receivedAtMs,
        deadlineMs: submitted.deadline_ms,
        ...firstGrant(submitted),
      };
      const outcome = await this.#prepare(submitted, terms);
      if (!outcome.ok) return this.#answerRefused(from, id, outcome.error);
      // 4. wait for the others of this turn: they share one transaction and one message to the engine
      this.#prepared.push({ submitted, requests: outcome.value, from });
      if (this.#isFlushDue) return;
      this.#isFlushDue = true;
      setImmediate(() => this.#acceptPrepared());
    } catch (error) {
      this.#options.log.error("prepare_failed", { requestId: id, ...faultFields(error) });
      const message = "The node could not prepare the request.";
      this.#answerRefused(from, id, { code: "internal_error", message, param: null });
    }
  }

  /** Tells a prompt's size and is done: nothing is journaled, since nothing is computed. */
  async #count(
    submitted: Extract<SubmitRequest, { endpoint: "count_tokens" }>,
    from: IntakeLink,
  ): Promise<void> {
    const { model, log } = this.#options;
    const { id } = submitted;
    try {
      const counted = await countPrompt(submitted.body, model);
      if (!counted.ok) return this.#answerRefused(from, id, counted.error);
      this.#preparing.delete(id);
      const prompt_tokens = counted.value;
      from.link.send({ type: "accept", id, model: model.id, prompt_tokens });
      const usage = { prompt_tokens, cached_tokens: 0, completion_tokens: 0 };
      from.link.send({ type: "done", id, finish_reason: "stop", usage, error: null });
    } catch (error) {
      log.error("count_failed", { requestId: id, ...faultFields(error) });
      const message = "The node could not count the prompt's tokens.";
      this.#answerRefused(from, id, { code: "internal_error", message, param: null });
    }
  }

  async #prepare(
    submitted: SubmitRequest,
    terms: RequestTerms,
  ): Promise<Result<readonly EngineRequest[], ErrorValue>> {
    const { model } = this.#options;
    if (submitted.endpoint === "embeddings") {
      return prepareEmbeddings({ body: submitted.body, terms }, model);
    }
    if (submitted.endpoint === "completions") {
      return prepareCompletions({ body: submitted.body, terms }, this.#options);
    }
    const outcome = await prepareRequest({ body: submitted.body, terms }, this.#options);
    return outcome.ok ? ok([outcome.value]) : outcome;
  }

  #earlyRefusal(submitted: SubmitRequest, receivedAtMs: number): ErrorValue | null {
    const { id, deadline_ms: deadlineMs } = submitted;
    if (this.#preparing.has(id) || this.#options.streams.has(id)) {
      return errorOf("already_exists", `Request ${id} is running on this node already.`);
    }
    if (this.#preparing.size >= PREPARING_REQUESTS_MAX) {
      return errorOf("overloaded", `${this.#preparing.size} requests are being prepared already.`);
    }
    if (deadlineMs <= receivedAtMs) {
      const lateMs = receivedAtMs - deadlineMs;
      return errorOf(
        "queue_timeout",
        `The request reached the node ${lateMs} ms after its deadline.`,
      );
    }
    return this.#options.refusal();
  }

  #acceptPrepared(): void {
    this.#isFlushDue = false;
    const prepared = this.#prepared;
    this.#prepared = [];
    const accepted = prepared.filter((one) => this.#admit(one));
    if (accepted.length === 0) return;
    const { journal, model, streams, submitToEngine } = this.#options;
    const keys = journal.accept(
      accepted.map((one) => billedRequest(one.submitted, one.requests, model.id)),
    );
    for (const [index, { submitted, requests, from }] of accepted.entries()) {
      const { id } = submitted;
      const key = keys[index];
      assert(key !== undefined, `no journal key for ${id}`);
      streams.bill(id, key);
      const promptTokens = promptTokensOf(requests);
      const answers = answeringModel(submitted, model.id);
      from.link.send({ type: "accept", id, model: answers, prompt_tokens: promptTokens });
    }
    submitToEngine(accepted.flatMap((one) => one.requests));
  }

  /** Takes a prepared request into the live streams; false when it was refused or nobody waits for it. */
  #admit({ submitted, requests, from }: Prepared): boolean {
    const { id, tenant_id: tenantId } = submitted;
    const isWanted = this.#preparing.get(id) === true;
    this.#preparing.delete(id);
    if (from.isLost()) return false;
    if (!isWanted) {
      refuse(from, id, errorOf("client_closed_request", "The request was cancelled."));
      return false;
    }
    const { streams, model, refusal } = this.#options;
    const choices = requests.reduce((sum, { forks = [] }) => sum + 1 + forks.length, 0);
    const promptTokens = Math.max(...requests.map((request) => request.promptTokens.length));
    const error = refusal() ?? streams.refusalOf({ tenantId, promptTokens, choices });
    if (error) {
      refuse(from, id, error);
      return false;
    }
    const sink = from.frames;
    const [request] = requests;
    if (submitted.endpoint === "embeddings") {
      streams.add(...embeddingStreams(id, requests, sink));
    } else if (submitted.endpoint === "completions") {
      streams.add(...completionStreams({ requests, body: submitted.body, model, sink }));
    } else if (request !== undefined) {
      streams.add(...answerStreams({ request, body: submitted.body, model, sink }));
    }
    this.prefixes.note(submitted);
    from.frames.accepted(id, {
      tenantId,
      model: answeringModel(submitted, model.id),
      promptTokens: promptTokensOf(requests),
      form: submitted.form,
      grantTokens: submitted.grant_tokens,
    });
    return true;
  }

  #answerRefused(from: IntakeLink, id: string, error: ErrorValue): void {
    this.#preparing.delete(id);
    refuse(from, id, error);
  }
}

function firstGrant({ grant_tokens: tokens, grant_may_grow: mayGrow }: SubmitRequest) {
  return tokens === undefined ? {} : { grant: { tokens, mayGrow: mayGrow === true } };
}

function wantedAdapter({ digest, pinned = false }: SubmitAdapter): WantedAdapter {
  return { digest, isPinned: pinned };
}

function errorOf(code: ErrorValue["code"], message: string): ErrorValue {
  return { code, message, param: null };
}

function refuse(from: IntakeLink, id: string, error: ErrorValue): void {
  from.link.send(refuseFrame(id, error));
}

/** The model that the client is told: the base, with the adapter that was asked for. */
function answeringModel({ adapter }: SubmitRequest, base: string): string {
  return adapter === undefined ? base : `${base}:${adapter.name}`;
}
