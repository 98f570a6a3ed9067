// Owns the types of the RPC between edge and RegionHub, and between RegionHub and UsageIntake.
import type { ErrorValue } from "../app-error.ts";
import type { ChatRequest } from "../openai/chat.ts";
import type { AnswerBody } from "../openai/answer-shape.ts";
import type { CompletionRequest } from "../openai/completions.ts";
import type { EmbeddingRequest, embeddingList } from "../openai/embeddings.ts";
import type { ModelCard } from "../openai/model.ts";
import type { AdapterTier, SubmitAdapter } from "../wire/adapter.ts";
import type { ResponseEcho } from "../openai/responses/response-body.ts";
import type { UsageRecord } from "../wire/usage.ts";
import type { Delivery } from "./delivery.ts";
import type { FleetChange, FleetHead, FleetNews, FleetPage, FleetStanding } from "./fleet.ts";

/** What a request under a hard budget may compute until its grant is renewed. */
export interface HubGrant {
  /** Output tokens of each answer. */
  readonly tokens: number;
  /** The most that renewals come to. */
  readonly outputTokensMax: number;
  readonly answerCount: number;
  /** As the client named it; null for the default one. */
  readonly model: string | null;
  readonly leaseUntilMs: number;
}

/** One admitted request on its way to a node. */
export interface HubRequest {
  readonly requestId: string;
  readonly tenantId: string;
  readonly projectId: string;
  readonly keyId: string;
  readonly tenantSalt: string;
  readonly weight: number;
  readonly tier: "interactive" | "batch";
  readonly priceVersion: string;
  readonly createdMs: number;
  readonly deadlineMs: number;
  /** Attempts that an earlier run of this id may have had; absent: there was none. */
  readonly attemptsBefore?: number;
  /** Absent: nothing bounds its output but itself. */
  readonly grant?: HubGrant;
  /** What the model runs with; absent = nothing. */
  readonly adapter?: SubmitAdapter;
  readonly body: ChatRequest;
  /** How the answer is written; absent: as a chat completion. */
  readonly answer?: AnswerKind;
}

/** An answer that is no chat completion, though a chat is computed for it. */
export type AnswerKind =
  | {
      readonly kind: "response";
      readonly echo: ResponseEcho;
      /** True: the hub keeps the whole answer in R2 before it tells its end. */
      readonly retain: boolean;
    }
  | { readonly kind: "message" };

/** A completion request on its way to a node. */
export interface HubCompletionRequest extends Omit<HubRequest, "body" | "answer"> {
  readonly endpoint: "completions";
  readonly body: CompletionRequest;
}

/** An embeddings request on its way to a node. */
export interface HubEmbeddingRequest extends Omit<HubRequest, "body" | "answer"> {
  readonly endpoint: "embeddings";
  readonly body: EmbeddingRequest;
}

/** Where one node has one adapter. */
export interface AdapterResidency {
  readonly nodeId: string;
  readonly digest: string;
  readonly tier: AdapterTier;
}

/** A client that comes back to the stream of a request. */
export interface HubAttachRequest {
  readonly requestId: string;
  readonly tenantId: string;
  readonly keyId: string;
  /** Index of the last token that the client has; -1: none. */
  readonly lastTokenIndex: number;
  readonly deadlineMs: number;
}

/** A chat whose prompt is to be counted: nothing is computed or billed. */
export interface HubCountRequest extends Omit<HubRequest, "answer"> {
  readonly endpoint: "count_tokens";
}

export type CountOutcome =
  | { readonly ok: true; readonly promptTokens: number }
  | Extract<CompleteOutcome, { readonly ok: false }>;

export type EmbedOutcome =
  | { readonly ok: true; readonly list: ReturnType<typeof embeddingList> }
  | Extract<CompleteOutcome, { readonly ok: false }>;

export type CompleteOutcome =
  | {
      readonly ok: true;
      readonly completion: AnswerBody;
    }
  | {
      readonly ok: false;
      readonly error: ErrorValue;
      /** True once a node accepted: a usage record will settle the hold. Before, the hub has given it back. */
      readonly accepted: boolean;
    };

/**
 * The RPC surface of RegionHub. Streams go through the object's fetch instead: POST HUB_STREAM_URL with a
 * HubRequest or HubCompletionRequest as JSON answers an event stream, or an error status with OpenAI's body. The
 * hub gives the hold of a request back that no node accepted.
 */
export interface RegionHubRpc {
  complete(request: HubRequest | HubCompletionRequest): Promise<CompleteOutcome>;
  /** The same with a whole answer as its JSON text, which is all that a caller needs who hands it on. */
  completeText(
    request: HubRequest | HubCompletionRequest,
  ): Promise<string | Extract<CompleteOutcome, { readonly ok: false }>>;
  embed(request: HubEmbeddingRequest): Promise<EmbedOutcome>;
  countTokens(request: HubCountRequest): Promise<CountOutcome>;
  listModels(): Promise<readonly ModelCard[]>;
  /** Which linked node has which of these adapters where; nodes that have none are absent. */
  adapterResidency(digests: readonly string[]): Promise<readonly AdapterResidency[]>;
  /**
   * Where tenants stand in the region: the named one, or all that it knows. Shard 0 only. Null while what an earlier hub
   * knew cannot be loaded.
   */
  fairShare(tenantId?: string): Promise<FleetStanding | null>;
}

export const HUB_STREAM_URL = "https://region-hub/stream";
/** POST with a HubAttachRequest: the rest of a stream whose connection was lost. */
export const HUB_ATTACH_URL = "https://region-hub/attach";

export interface CommitBatch {
  readonly nodeId: string;
  readonly epoch: number;
  readonly records: readonly UsageRecord[];
  /** What the node says was acknowledged to it of these tenants. */
  readonly acked?: readonly { readonly tenant_id: string; readonly seq: number }[];
}

/** What was taken of one sequence of a tenant's records: one node's journal in one epoch. */
export interface SourceSums {
  readonly nodeId: string;
  readonly epoch: number;
  /** Records that the journal has numbered up to what was taken. */
  readonly seq: number;
  /** Records that were taken here, and their tokens; fewer than `seq` when some never came or came to another store. */
  readonly records: number;
  /** Of those: final ones, each of which makes an entry of the ledger. */
  readonly entries: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** Where a region's usage of a tenant stands. */
export interface IntakeState {
  readonly sources: readonly SourceSums[];
  /** Packs that no account has settled yet. */
  readonly waitingPacks: number;
}

/** The RPC surface of UsageIntake. */
export interface UsageIntakeRpc {
  /** Durable when it returns; records at or below a watermark are ignored, a gap ends a tenant's run. */
  commit(batch: CommitBatch): Promise<{
    readonly watermarks: readonly { readonly tenant_id: string; readonly seq: number }[];
  }>;
  /** Of the nodes' journals; its own estimates are not in it. */
  stateOf(tenantId: string): Promise<IntakeState>;
  /** Keeps what clients received of answers whose node is gone, durable when it returns. */
  noteDelivered(deliveries: readonly Delivery[]): Promise<void>;
  /** Records and deliveries of a tenant that ended before this time and that its account has not settled yet. */
  waitingBefore(tenantId: string, endedBeforeMs: number): Promise<number>;
  /** Keeps cells and lifts for a restart, durable when it returns; answers what other regions gave. */
  syncFleet(change: FleetChange): Promise<FleetNews>;
  /** What is kept besides tenants. Rejects while what an earlier object kept cannot be read. */
  fleetHead(): Promise<FleetHead>;
  /** What is kept, from the tenant after `afterTenantId` on ("" for the first page). */
  fleetPage(afterTenantId: string): Promise<FleetPage>;
}
