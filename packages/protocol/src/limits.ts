// Owns the bounds of the public API and of the link, shared by edge, hub and node so that all refuse alike.

/** Messages in one chat request: far above real conversations, low enough to bound validation time. */
export const MESSAGES_MAX = 4_096;
/** Text parts in one message. */
export const CONTENT_PARTS_MAX = 1_024;
/** Bytes of a request body: 8,192-token contexts need well under 1 MiB; leaves room for longer models. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Characters of `user`, names, model names. */
export const NAME_CHARS_MAX = 256;
/** Entries of `metadata`, as in OpenAI's API. */
export const METADATA_ENTRIES_MAX = 16;
/** Characters of a JSON schema, as JSON: far above hand-written ones, and compiled within milliseconds. */
export const JSON_SCHEMA_CHARS_MAX = 65_536;
/** Characters of the name of a function or a schema, as in OpenAI's API. */
export const FUNCTION_NAME_CHARS_MAX = 64;
/** Tools of a request, as in OpenAI's API. */
export const TOOLS_MAX = 128;
/** Characters of all tools, as JSON: they become part of the prompt and of the grammar. */
export const TOOLS_CHARS_MAX = 262_144;
/** Calls in one message. */
export const TOOL_CALLS_MAX = 128;
/** Output tokens that a request may ask for whatever the model: bounds arithmetic, the context bounds the rest. */
export const OUTPUT_TOKENS_MAX = 1_000_000;
/** Stop strings of a request, as in OpenAI's API. */
export const STOP_STRINGS_MAX = 4;
/** Answers to one request, `n` and `best_of`, as in OpenAI's API, over all its prompts; a node computes as many at once as it has slots. */
export const CHOICES_MAX = 128;
/** Inputs of one embeddings request: each waits and runs as a request of its own. */
export const EMBEDDING_INPUTS_MAX = 256;
/** Token ids of one input or prompt; the model's context bounds the rest. */
export const INPUT_TOKENS_MAX = 1_000_000;
/** UTF-16 units of a stop string: that much text may be held back, and is searched again with each token. */
export const STOP_CHARS_MAX = 256;
/** `stop_token_ids` of a request; leaves room for the model's own among the node's 64. */
export const STOP_TOKEN_IDS_MAX = 32;
/** Largest token id that a field may name: four times the largest open vocabularies. */
export const TOKEN_ID_MAX = 1_048_575;
/** Entries of `logit_bias`: as many as OpenAI takes; the node's slots have room for these and all stop tokens. */
export const LOGIT_BIAS_ENTRIES_MAX = 300;
/** Range of `repetition_penalty`: beyond it logits lose all meaning, and f32 its range. */
export const REPETITION_PENALTY_MIN = 0.01;
export const REPETITION_PENALTY_MAX = 100;
/** `top_logprobs` of a request, as in OpenAI's API. */
export const TOP_LOGPROBS_MAX = 20;
/** `logprobs` of a completion, as in OpenAI's API. */
export const COMPLETION_LOGPROBS_MAX = 5;
/** Log-probability entries in one delta: a step makes one token, and a few may have been held back with their text. */
export const STEP_LOGPROBS_MAX = 4_096;
/** Bytes of one token's text: vocabularies have runs of spaces of a few hundred. */
export const TOKEN_BYTES_MAX = 4_096;
/** Characters of one wire frame: a coalesced submit of a full window of bodies stays below. */
export const FRAME_CHARS_MAX = 32 * 1024 * 1024;
/** Frames in one message of a node: one of each request of a full submit frame. */
export const BATCH_FRAMES_MAX = 1_024;
/** Requests in one submit frame. */
export const SUBMIT_REQUESTS_MAX = 1_024;
/** Deltas in one step frame, one per live request. */
export const STEP_DELTAS_MAX = 4_096;
/** Characters of what a hub notes of an answer's form: a few fields as JSON. */
export const ANSWER_FORM_CHARS_MAX = 4_096;
/** Characters that a prefix digest covers at least, and each further one more: about 128 tokens. */
export const PREFIX_CHUNK_CHARS = 512;
/** Digests of one prompt: its first 32,768 characters, hashed in well under a millisecond. */
export const PREFIX_CHUNKS_MAX = 64;
/** Prefix digests in one heartbeat, 19 characters each. */
export const HEARTBEAT_PREFIXES_MAX = 1_024;
/** Usage records in one usage frame: about 300 bytes each, so a frame stays near 150 KB. */
export const USAGE_RECORDS_MAX = 512;
/** Service cells in one heartbeat: about 200 bytes each, so a second's heartbeat stays near 200 KB. */
export const SERVICE_CELLS_MAX = 1_024;
/** Tenants in one service frame: about 90 bytes each, so a frame stays near 370 KB. */
export const SERVICE_TENANTS_MAX = 4_096;
/** Hub shards of a region. */
export const HUB_SHARDS_MAX = 64;
/** Endpoints that a node names for a model: there are three, and later nodes may name more. */
export const NODE_ENDPOINTS_MAX = 16;
/** Base64 characters of one embedding: the largest models have 16,384 numbers of four bytes. */
export const EMBEDDING_CHARS_MAX = 100_000;
/** Versions of an adapter, and so the largest number that a name may have. */
export const ADAPTER_VERSION_MAX = 1_000_000;
/** Bytes of an adapter's weights: rank 256 on every linear layer of 8 billion parameters has 1.3 GB in f16. */
export const ADAPTER_BYTES_MAX = 2 * 1024 ** 3;
/** Rank of a module: published adapters have 4 to 256. */
export const ADAPTER_RANK_MAX = 256;
/** Bytes of the header of an adapter's weights: 150 bytes for each tensor, and room. */
export const ADAPTER_HEADER_BYTES_MAX = 4 * 1024 * 1024;
/** Tensors of an adapter: two for each of 7,168 modules, and room. */
export const ADAPTER_TENSORS_MAX = 16_384;
/** Bytes of an adapter's configuration: a rank and an alpha for each of 7,168 modules are some 600 KB. */
export const ADAPTER_CONFIG_BYTES_MAX = 1024 * 1024;
/** Adapters in one heartbeat: about 90 bytes each, so it stays below 400 KB; it is sent when something changed. */
export const HEARTBEAT_ADAPTERS_MAX = 4_096;
/** Models a node offers: one base model per process now, adapters later. */
export const NODE_MODELS_MAX = 64;
/** Entries of a key's list of models, adapters or addresses: read with each admission. */
export const KEY_LIST_ENTRIES_MAX = 64;
/** How long a stored response is kept: as long as OpenAI keeps one. */
export const RESPONSE_KEPT_MS = 30 * 24 * 3_600_000;
/** How long a file is kept unless its owner says otherwise: as long as OpenAI keeps the files of batches. */
export const FILE_KEPT_MS = 30 * 24 * 3_600_000;
/** Output tokens held for a request that names no bound: the default of the models. */
export const OUTPUT_TOKENS_DEFAULT = 2_048;
/** Tokens that a chat template may add around one message: role and turn markers take 5 to 8. */
export const TEMPLATE_TOKENS_PER_MESSAGE = 16;
/** Tokens that a chat template may add once: a default system prompt takes about 30. */
export const TEMPLATE_TOKENS_PER_REQUEST = 64;
/** What a template, or the node's own preamble, says around tools: Llama 3's takes some 300 tokens. */
export const TOOLS_PREAMBLE_TOKENS = 1_024;
/** Characters that a template makes of JSON which the client sent without spaces: it indents, and escapes once more. */
export const TEMPLATE_JSON_PERCENT = 400;
