// Owns every bound of the node with its unit and the reason for its value. The public API's and the link's
// bounds are in @fairlane/protocol; the native core's are in native/core/limits.h.

// --- scheduler ---

/** Tokens of KV in one page; the core's kPageTokens. */
export const PAGE_TOKENS = 16;

/** Requests waiting to join the running set: a few seconds of work; more wait better at the hub. */
export const WAITING_REQUESTS_MAX = 2_048;
/** Waiting requests of one tenant: one tenant's burst fills at most a quarter of the queue. */
export const WAITING_REQUESTS_PER_TENANT_MAX = 512;
/** Prompt tokens of all waiting requests: 4 bytes each, so the queue's prompts stay below 64 MiB. */
export const WAITING_PROMPT_TOKENS_MAX = 16 * 1024 * 1024;
/** What a client is told to wait when a queue is full: a few steps, long enough for some request to end. */
export const RETRY_AFTER_FULL_MS = 1_000;
/** Token ids that end a request: models have one to four, clients of later endpoints add a few. */
export const STOP_TOKEN_IDS_MAX = 64;
/** Prefill tokens that a step takes however many decodes run, so that prefills never starve: one page. */
export const PREFILL_SHARE_MIN_TOKENS = 16;
/** A cut chunk fills the step to a multiple of this: the tokens that attention handles at once, and a page. */
export const STEP_TILE_TOKENS = 16;
/** Steps that prefills of the batch tier wait while interactive ones take all: an eighth of the steps is theirs. */
export const BATCH_TIER_STARVED_STEPS_MAX = 7;
/** Tokens of one step while the target of its time bounds it: more hardly compute faster, and cost activations. */
export const STEP_ADAPTIVE_TOKENS_MAX = 512;
/** Time after which the calibration at the start measures no further step: nobody waits for it. */
export const CALIBRATION_MS_MAX = 500;
/** Percent of the pool that must be free beside a new request's prompt under optimistic admission: decodes grow into it. */
export const ADMISSION_SPARE_PERCENT = 1;
/** Percent of a prompt token's cost that a cached one counts for in fairness: it takes a page and no computation. */
export const FAIR_CACHED_PERCENT = 5;
/** Uncached prompt tokens' worth that a tenant is served in one go by the deficit order: one long prompt. */
export const FAIR_QUANTUM_TOKENS = 4_096;
/** Requests of a tenant in a minute under the order "rpm": the limit that the paper finds to drift no more than VTC. */
export const REQUESTS_PER_MINUTE = 20;
/** Uncached prompt tokens' worth that requests may get ahead of one whose adapter is not in pages: one long prompt. */
export const ADAPTER_SLACK_TOKENS = 4_096;
/** Time for which a request is passed over that waits for others, for pages or for a place among the adapters. */
export const ADAPTER_PASSED_MS_MAX = 1_000;
/** Adapters that are loaded ahead for the next requests: as many as join in a step, more would push each other out. */
export const ADAPTERS_NEXT_MAX = 16;
/** Percent of a step's time that copies of adapters take meanwhile: half of what running streams may notice. */
export const ADAPTER_COPY_STEP_PERCENT = 10;
/** Wait of an answer at the end of its grant for more: a hub that starts anew and its client are back by then. */
export const GRANT_WAIT_MS = 10_000;
/** An engine that does nothing but wait for grants looks this often for what ends without one. */
export const GRANT_LOOK_MS = 50;
/** Times that a request is preempted; then it joins with pages for its whole output and is left alone. */
export const PREEMPTIONS_MAX = 3;
/** Decodes for which one page is kept coming while requests can be swapped: each needs one in 16 steps. */
export const SWAP_AHEAD_REQUESTS = 4;
/** Submitted steps that have not been settled: one computes while the next one is prepared; an engine has two plans. */
export const STEPS_IN_FLIGHT_MAX = 2;
/** Running requests, that is slots: bounds the plan's columns and the step message. */
export const RUNNING_REQUESTS_MAX = 4_096;
/** Tokens of one step: the core sizes its activations by it. */
export const STEP_BUDGET_TOKENS_MAX = 65_536;

/** Masks of grammars that are made in one step: some milliseconds each, which others wait for; rows beyond come a step later. */
export const STEP_NEW_MASKS_MAX = 4;
/** Logit biases that the requests joining in one step bring, at least one slot's; those beyond join a step later. */
export const STEP_BIASES_MAX = 1_024;

// --- prefix cache ---

/** Cached pages that the requests joining in one step bring: 65,536 tokens; what a prompt has beyond is computed. */
export const STEP_CACHED_PAGES_MAX = 4_096;
/** Percent of the pool that a tenant's cached blocks keep while others have more: sixteen tenants can have theirs. */
export const CACHE_FLOOR_PERCENT = 6;
/** Percent of the pool that a tenant's cached blocks may fill; beyond, the tenant's own are evicted. */
export const CACHE_CAP_PERCENT = 75;
/** Evicted objects whose uses are remembered: some 100 bytes each, and several times what a small pool holds. */
export const EVICTED_ENTRIES_MAX = 16_384;
/** Roots of tenants that are remembered; one is a hash of a few hundred bytes. */
export const CACHE_ROOTS_MAX = 10_000;

// --- adapters in the engine ---

/** Adapters that rows can name at a time: twice what the scale test keeps resident; an unset one costs 100 bytes. */
export const ADAPTER_SLOTS = 4_096;

// --- fairness over the fleet ---

/** Tenants with a cell of service in one epoch: about 300 bytes each. */
export const FLEET_TENANTS_MAX = 50_000;
/**
 * C: service units of a tenant's that one news of the fleet counts at most, two million tokens' worth; what is above it,
 * after a link was down for long, is forgiven. A fleet that gives one tenant more than that each second would lose some.
 */
export const CATCH_UP_UNITS_MAX = 2_000_000 * 5_040;
/** Service units of one cell; then the node begins a new epoch. Sums of many cells stay below 2^53. */
export const CELL_UNITS_MAX = 2 ** 46;

// --- engine worker ---

/** Step messages that the main thread may be behind with before their rows are copied: 20 bytes a slot each. */
export const STEP_ROW_BUFFERS_MAX = 8;
/** A step that takes longer is reported as stuck: the slowest sound step (512 tokens on `generic`) ends before. */
export const STEP_STUCK_AFTER_MS = 60_000;
/** The longest wait for the worker to finish its step and close before it is stopped by force. */
export const ENGINE_CLOSE_TIMEOUT_MS = 10_000;
/** Requests that the main thread may have handed to the worker and not seen end: all that wait, run or were just sent. */
export const WORKER_REQUESTS_MAX = WAITING_REQUESTS_MAX + RUNNING_REQUESTS_MAX + 2_048;
/** Listeners of one engine host: link, HTTP, journal, metrics and a test's own. */
export const ENGINE_LISTENERS_MAX = 16;
