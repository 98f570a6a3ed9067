// Owns every bound of adapters on the node with its unit and reason. Adapters are input: whatever their files claim,
// nothing below is exceeded.

/** Rank of one module: published adapters have 4 to 256. */
export const ADAPTER_RANK_MAX = 256;
/** Bytes of adapter_config.json: a rank and an alpha for each of 7,168 modules are some 600 KB. */
export const ADAPTER_CONFIG_BYTES_MAX = 1024 * 1024;
/** Bytes of adapter_model.safetensors: rank 256 on all linear layers of an 8 B model in f32 is 2.7 GB. */
export const ADAPTER_FILE_BYTES_MAX = 4 * 1024 ** 3;
/** lora_alpha: larger ones would overflow f16 at once. */
export const ADAPTER_ALPHA_MAX = 65_504;
/** Patterns of rank_pattern or alpha_pattern, and names of target_modules: one for each module of a deep model. */
export const ADAPTER_PATTERNS_MAX = 8_192;
/** Characters of a pattern: module names have fewer than 50. */
export const ADAPTER_PATTERN_CHARS_MAX = 256;
/** Patterns of one field that are regular expressions and no plain names: each is tried on each module. */
export const ADAPTER_EXPRESSIONS_MAX = 16;
/** Repetitions and groups of one expression: matching a name of 40 characters takes some ten thousand steps at most. */
export const ADAPTER_EXPRESSION_BRANCHES_MAX = 3;
/** Characters of an adapter's name: those of a model's. */
export const ADAPTER_NAME_CHARS_MAX = 256;
/** Adapters that a node knows: a few hundred bytes each on either thread; as many as the engine has slots. */
export const ADAPTERS_MAX = 4_096;

// --- tiers ---

/** Bytes of packed adapters in the cache folder; beyond, those unused for longest are removed at the start. */
export const ADAPTER_DISK_BYTES_MAX = 64 * 1024 ** 3;
/** Adapters that are copied into pages at once, one more for the request whose turn it is: as many as are wanted next. */
export const ADAPTER_LOADS_MAX = 16;
/** Files that are read at once or wait for pages: reads of a few milliseconds each keep up with steps. */
export const ADAPTER_READS_MAX = 8;
/** Pages copied in one go while no step computes: some milliseconds, after which messages are heard. */
export const ADAPTER_IDLE_COPY_PAGES = 64;
/** Percent of the pool that one adapter may take: what is left holds a request. */
export const ADAPTER_POOL_PERCENT_MAX = 75;
/** How many times as dear to bring back a pinned adapter counts as it is: the evictor takes any other first. */
export const ADAPTER_PINNED_COST_RATIO = 2 ** 20;
