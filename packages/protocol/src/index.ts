export { keyScopes, ROLES, roleScopes, scopeSpec } from "./access/scopes.ts";
export type { Role, Scope } from "./access/scopes.ts";
export { widerTerm } from "./access/within-terms.ts";
export { adapterDigest } from "./adapters/adapter-digest.ts";
export { ADAPTER_FILES, adapterObjects } from "./adapters/adapter-files.ts";
export type { AdapterFile } from "./adapters/adapter-files.ts";
export { adapterText, isAdapterName, parseModelName } from "./adapters/adapter-name.ts";
export type { AdapterRef, ModelName } from "./adapters/adapter-name.ts";
export { peftConfigSchema } from "./adapters/peft-config.ts";
export type { PeftConfig } from "./adapters/peft-config.ts";
export {
  headerProblem,
  SAFETENSORS_PREFIX_BYTES,
  safetensorsHeaderBytes,
} from "./adapters/safetensors-header.ts";
export { AppError, errorBody, errorHead } from "./app-error.ts";
export type { ErrorBody, ErrorValue } from "./app-error.ts";
export { adminTokenHash, isAdminToken, makeAdminToken } from "./credentials/admin-token.ts";
export { messageErrorBody } from "./anthropic/error-body.ts";
export { MESSAGE_SHAPE } from "./anthropic/message-shape.ts";
export {
  countTokensSchema,
  messageRequestSchema,
  parseCountTokensRequest,
  parseMessageRequest,
} from "./anthropic/request.ts";
export type { CountTokensRequest, MessageRequest } from "./anthropic/request.ts";
export { messageChat, promptChat } from "./anthropic/to-chat.ts";
export { makeApiKey, readApiKey } from "./credentials/api-key-text.ts";
export type { ApiKeyClaim, NewApiKey } from "./credentials/api-key-text.ts";
export { BILLING_SECRET_PURPOSE, openSecret, sealSecret } from "./credentials/sealed-secret.ts";
export { LOGIN_TOKEN, SESSION } from "./credentials/session-text.ts";
export { makeCredential, readCredential } from "./credentials/tenant-credential.ts";
export type { CredentialClaim, CredentialKind } from "./credentials/tenant-credential.ts";
export { isNodeName, makeNodeToken, readNodeToken } from "./credentials/node-token.ts";
export { ERROR_CODES, errorSpec, isErrorCode } from "./error-codes.ts";
export type { ErrorCode } from "./error-codes.ts";
export * as protocolLimits from "./limits.ts";
export { stopStrings } from "./openai/answer-fields.ts";
export type { AnswerFields } from "./openai/answer-fields.ts";
export { CHAT_SHAPE } from "./openai/answer-shape.ts";
export type { AnswerDelta, AnswerEnd, AnswerEvents } from "./openai/answer-events.ts";
export type { AnswerBody, AnswerShape, EventShape } from "./openai/answer-shape.ts";
export { chatRequestSchema, parseChatRequest, requestedOutputTokens } from "./openai/chat.ts";
export type { ChatRequest } from "./openai/chat.ts";
export { chatChunk, chatCompletion, finishReasonOf, usageBody } from "./openai/chat-response.ts";
export type {
  AnswerChoice,
  ChatHead,
  ChunkPart,
  FinishReason,
  TokenCounts,
} from "./openai/chat-response.ts";
export { choiceCounts } from "./openai/choices.ts";
export {
  completionRequestSchema,
  COMPLETION_TOKENS_DEFAULT,
  completionChoices,
  completionPrompts,
  parseCompletionRequest,
} from "./openai/completions.ts";
export type { CompletionRequest } from "./openai/completions.ts";
export {
  embeddingRequestSchema,
  embeddingInputs,
  embeddingList,
  parseEmbeddingRequest,
} from "./openai/embeddings.ts";
export type { EmbeddingRequest } from "./openai/embeddings.ts";
export { errorOfIssues } from "./openai/issues.ts";
export type { TokenLogprob } from "./openai/logprobs.ts";
export { messageText } from "./openai/message.ts";
export type { ChatMessage } from "./openai/message.ts";
export { modelBody, modelList } from "./openai/model.ts";
export type { ModelCard } from "./openai/model.ts";
export type { TextInput } from "./openai/prompt-inputs.ts";
export { inputTokensSchema, parseInputTokensRequest } from "./openai/responses/input-tokens.ts";
export { itemTokensMax, listedItem } from "./openai/responses/items.ts";
export type { InputItem } from "./openai/responses/items.ts";
export {
  inputItems,
  parseResponseRequest,
  responseRequestSchema,
} from "./openai/responses/request.ts";
export type { ResponseRequest } from "./openai/responses/request.ts";
export { responseEcho, responseIdOf } from "./openai/responses/response-body.ts";
export type { ResponseBody, ResponseEcho } from "./openai/responses/response-body.ts";
export { responseShape } from "./openai/responses/response-shape.ts";
export {
  answerItems,
  conversationOf,
  isResponseId,
  storedNames,
} from "./openai/responses/stored-response.ts";
export type { StoredAnswer, StoredInput } from "./openai/responses/stored-response.ts";
export { responseChat } from "./openai/responses/to-chat.ts";
export { chatHold, completionHold, embeddingHold } from "./openai/request-holds.ts";
export { SSE_DONE, SSE_HEADERS, SSE_KEEP_ALIVE, sseEvent } from "./openai/sse.ts";
export { textCompletionShape } from "./openai/text-completion.ts";
export { addCallDelta, chunkCall } from "./openai/tool-call-delta.ts";
export type { ToolCallDelta } from "./openai/tool-call-delta.ts";
export type { Tool, ToolCall, ToolChoice } from "./openai/tools.ts";
export type {
  AccountAccessRpc,
  Actor,
  AuthorizeInput,
  AuthorizeOutcome,
  Caller,
  CallerClaim,
} from "./rpc/account-access.ts";
export type {
  AccountLogin,
  AccountMember,
  AccountMembersRpc,
  AccountSession,
  MemberOutcome,
  SessionOpening,
  SessionOutcome,
  SessionView,
  LoginView,
  OpenAccess,
} from "./rpc/account-members.ts";
export type {
  AccountKey,
  KeyManager,
  KeyOutcome,
  KeyRotation,
  KeyTerms,
  KeyUse,
} from "./rpc/account-key.ts";
export type {
  AccountConfig,
  AccountPrices,
  Budget,
  BudgetRef,
  ModelPrice,
  RateLimits,
  ScopeLimits,
} from "./rpc/account-config.ts";
export type {
  AdmitInput,
  AdmitOutcome,
  HoldInput,
  Principal,
  RateState,
  SettleBatch,
  TenantAccountRpc,
  Wanted,
} from "./rpc/account.ts";
export { BATCH_ENDPOINTS, batchRequestId, isBatchRequestId } from "./rpc/batch.ts";
export type { BatchEndpoint, BatchRunRpc, BatchSpec, BatchStatus, BatchView } from "./rpc/batch.ts";
export type { Delivery, SettleRecord } from "./rpc/delivery.ts";
export type {
  FairPosition,
  FleetCell,
  FleetChange,
  FleetHead,
  FleetNews,
  FleetPage,
  FleetStanding,
  RemoteService,
  ServiceCounts,
  TenantLift,
} from "./rpc/fleet.ts";
export { grantOf } from "./rpc/grant-of.ts";
export { HUB_ATTACH_URL, HUB_STREAM_URL } from "./rpc/hub.ts";
export type {
  BooksState,
  BudgetState,
  OwnBudgetChange,
  OwnBudgetOutcome,
  CreditInput,
  CreditOutcome,
  CreditState,
  FundsState,
  GrantAsk,
  TokenGrant,
} from "./rpc/funds.ts";
export type { IdempotencyInput, IdempotencyState, IdempotentRef } from "./rpc/idempotency.ts";
export type {
  AnswerKind,
  CommitBatch,
  CompleteOutcome,
  CountOutcome,
  AdapterResidency,
  EmbedOutcome,
  HubAttachRequest,
  HubCompletionRequest,
  HubCountRequest,
  HubEmbeddingRequest,
  HubGrant,
  HubRequest,
  IntakeState,
  RegionHubRpc,
  SourceSums,
  UsageIntakeRpc,
} from "./rpc/hub.ts";
export type { AccountErasureRpc, ErasureStanding, ErasureStep } from "./rpc/account-erasure.ts";
export { jurisdictionSchema, locationHintsSchema, placedIn } from "./rpc/placement.ts";
export type { Jurisdiction, LocationHint, PlaceableNamespace } from "./rpc/placement.ts";
export type { JobFigures, JobResult, JobRunOutcome, JobsRpc, JobState } from "./rpc/jobs.ts";
export type { AcceptFrame, RefuseFrame } from "./wire/accept.ts";
export type { AdapterTier, SubmitAdapter } from "./wire/adapter.ts";
export type { DoneFrame } from "./wire/done.ts";
export type { CellReport, ServiceFrame } from "./wire/fair-share.ts";
export { parseHubFrame, parseNodeMessage } from "./wire/frame.ts";
export type { FrameError, HubFrame, NodeFrame } from "./wire/frame.ts";
export type { GrantFrame } from "./wire/grant.ts";
export type { HeartbeatFrame } from "./wire/heartbeat.ts";
export { prefixDigests, prefixText } from "./wire/prefix-digest.ts";
export type { AttachedFrame, AttachFrame, ResumeFrame } from "./wire/resume.ts";
export { WIRE_VERSION } from "./wire/hello.ts";
export type { HelloFrame, WelcomeFrame } from "./wire/hello.ts";
export { shardOf } from "./wire/shard.ts";
export type { StepFrame } from "./wire/step.ts";
export { submitRequest } from "./wire/submit.ts";
export type { CancelFrame, SubmitFrame, SubmitRequest } from "./wire/submit.ts";
export type { AckFrame, UsageFrame, UsageRecord } from "./wire/usage.ts";
