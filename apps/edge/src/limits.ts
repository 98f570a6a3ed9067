// Owns every bound of the edge with its unit and reason. Bounds of bodies and fields, which edge and node share,
// are in the protocol package.

/** How long an answer may take: the OpenAI SDK's own default time-out. */
export const REQUEST_DEADLINE_MS = 10 * 60_000;
/** A hold outlives the deadline by this much, so that a usage record on its way still finds it. */
export const HOLD_LEASE_EXTRA_MS = 30_000;
/** What a client is told to wait before it tries again when a part cannot be reached: parts restart in seconds. */
export const RETRY_AFTER_MS = 1_000;
/** How long an account may take before it counts as unreachable: far above an intercontinental round trip. */
export const ACCOUNT_TIMEOUT_MS = 5_000;
/** How long a list of models may take before the hub counts as unreachable. */
export const LIST_MODELS_TIMEOUT_MS = 5_000;
/** How long /ready repeats its last answer, in milliseconds: it is public and must not load the hubs. */
export const READY_CACHE_MS = 1_000;
/** Characters of a bearer credential: keys have 137, tokens fewer. */
export const CREDENTIAL_CHARS_MAX = 256;
/** Keys whose tag an isolate has found right: about 500 bytes each. */
export const KNOWN_KEYS_MAX = 4_096;
/** Characters of `x-client-request-id`, as OpenAI has it. */
export const CLIENT_REQUEST_ID_CHARS_MAX = 512;
/** Bytes of an administrative body: a few short fields. */
export const ADMIN_BODY_BYTES_MAX = 16 * 1024;
/** Ledger entries in one answer: about 400 bytes each, so an answer stays near 40 KB. */
export const LEDGER_ENTRIES_MAX = 100;

/** Hours of fair share in an answer when the caller names no number, and the most: a month. */
export const FAIR_SHARE_HOURS_DEFAULT = 24;
export const FAIR_SHARE_HOURS_MAX = 744;
/** Tenants in the operator's view of fair share. */
export const FAIR_SHARE_TENANTS_MAX = 1_000;
/** Wait for the hub to say where tenants stand. */
export const FAIR_SHARE_TIMEOUT_MS = 5_000;
/** Wait for a scheduled job that the operator runs: a bounded run takes seconds. */
export const JOB_WAIT_MS = 60_000;

/** What a new tenant gets when the operator names no limit, and the most it can be given. */
export const TENANT_WEIGHT_DEFAULT = 1;
export const TENANT_WEIGHT_MAX = 1_000;
export const REQUESTS_PER_MINUTE_DEFAULT = 600;
export const REQUESTS_PER_MINUTE_MAX = 1_000_000;
export const TOKENS_PER_MINUTE_DEFAULT = 1_000_000;
export const TOKENS_PER_MINUTE_MAX = 1_000_000_000;
/** Hours and days that one answer about costs covers: a month, and a year and a day. */
export const COST_HOURS_MAX = 744;
export const COST_DAYS_MAX = 367;
/** Characters of an Idempotency-Key: a UUID has 36. */
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;
/** How long an answer is kept for its key. */
export const IDEMPOTENCY_TTL_MS = 24 * 3_600_000;
/** One wait for a running request; then the account is asked again. */
export const IDEMPOTENCY_WAIT_MS = 5_000;
/** Requests with the same key that are waited for and fail, before the client is told. */
export const IDEMPOTENCY_TRIES_MAX = 3;
/** Projects and keys with limits in one change: each is looked up once. */
export const SCOPE_LIMITS_MAX = 100;
/** Budgets of a tenant: each is looked at with every admission and settlement of its scope. */
export const BUDGETS_MAX = 100;
/** Thresholds of one budget. */
export const ALERT_PERCENTS_MAX = 10;
/** Characters of a billing system's key or signing secret, of an event's name as Stripe has it, and of a customer's id. */
export const BILLING_SECRET_CHARS_MIN = 16;
export const BILLING_SECRET_CHARS_MAX = 512;
export const EVENT_NAME_CHARS_MAX = 100;
export const CUSTOMER_ID_CHARS_MAX = 255;
/** Refused entries in one answer about the export of usage. */
export const REJECTIONS_SHOWN_MAX = 20;
/** Characters of a webhook's address. */
export const WEBHOOK_URL_CHARS_MAX = 2_048;
export const PARALLEL_REQUESTS_DEFAULT = 64;
export const PARALLEL_REQUESTS_MAX = 10_000;

// --- adapters --------------------------------------------------------------------------------------------------

/** Bytes of an upload in one piece: Cloudflare takes bodies of 100 MB on all plans. */
export const DIRECT_UPLOAD_BYTES_MAX = 95 * 1024 * 1024;
/** Bytes of each part but the last: the bucket's own lower bound, and that of one body. */
export const UPLOAD_PART_BYTES_MIN = 5 * 1024 * 1024;
export const UPLOAD_PART_BYTES_DEFAULT = 32 * 1024 * 1024;
/** Parts of an upload: the largest adapter in the smallest parts. */
export const UPLOAD_PARTS_MAX = 512;
/** An upload that has not ended after this time is given up: the bucket keeps parts for a week. */
export const UPLOAD_AGE_MS_MAX = 24 * 3_600_000;
/** Adapters of a tenant. */
export const ADAPTERS_PER_TENANT_MAX = 10_000;
/** Versions of an adapter: all are deleted with it, in one call of the bucket for both files of each. */
export const VERSIONS_PER_ADAPTER_MAX = 500;
/** Tenants that an adapter may be granted to. */
export const GRANTS_PER_ADAPTER_MAX = 1_000;
/** Adapters in one answer: D1 takes 100 parameters a statement. */
export const ADAPTERS_PAGE_ENTRIES_MAX = 50;
/** Versions in one answer. */
export const VERSIONS_PAGE_ENTRIES_MAX = 100;
/** Adapters in a tenant's list of models. */
export const ADAPTER_MODELS_MAX = 1_000;
/** How long an isolate goes by what a name meant: so long may a deleted adapter or a revoked grant still be used. */
export const ADAPTER_CACHE_MS = 10_000;
/** The same for names that meant nothing: a new adapter can be used this soon everywhere. */
export const ADAPTER_UNKNOWN_CACHE_MS = 2_000;
/** Names that an isolate remembers: about 500 bytes each. */
export const ADAPTER_CACHE_ENTRIES_MAX = 8_192;
/** Unknown names of one tenant that are looked up within ADAPTER_UNKNOWN_CACHE_MS: each is a query. */
export const ADAPTER_UNKNOWN_ENTRIES_MAX = 64;
/** Wait for the hub to say where adapters are. */
export const RESIDENCY_TIMEOUT_MS = 2_000;
// --- pages and keys --------------------------------------------------------------------------------------------

/** Rows of a page when the caller names no number, and the most. */
export const PAGE_ROWS_DEFAULT = 20;
export const PAGE_ROWS_MAX = 100;
/** How long a rotated key serves on when nobody says: a day to roll its successor out; and the longest: a month. */
export const KEY_GRACE_MS_DEFAULT = 24 * 3_600_000;
export const KEY_GRACE_MS_MAX = 30 * 24 * 3_600_000;
/** Wait for what is retained in R2: it takes some ten milliseconds. */
export const RETAINED_TIMEOUT_MS = 5_000;
/** How long counting a prompt's tokens may take: a node tokenises a megabyte within a second. */
export const COUNT_DEADLINE_MS = 30_000;
/** Input items of a stored response in one page, as in OpenAI's API. */
export const INPUT_ITEMS_DEFAULT = 20;
export const INPUT_ITEMS_MAX = 100;

// --- invoices --------------------------------------------------------------------------------------------------

/** Characters of a reason: a sentence or two. */
export const INVOICE_REASON_CHARS_MAX = 500;
/** Size of one adjustment, nano-USD: a million USD. */
export const ADJUSTMENT_NANO_USD_MAX = 1_000_000_000_000_000;

// --- sessions --------------------------------------------------------------------------------------------------

/** How long a session lives: a working day; it is not prolonged, since that would be a commit a request. */
export const SESSION_LIFE_MS = 12 * 3_600_000;
/** How long a login token can be used when nobody says: the same hour; and the longest: an invitation's week. */
export const LOGIN_LIFE_MS_DEFAULT = 3_600_000;
export const LOGIN_LIFE_MS_MAX = 7 * 24 * 3_600_000;

// --- files -----------------------------------------------------------------------------------------------------

/** Bytes of a file in one form: the parser keeps all of it in memory, of which an isolate has 128 MB. */
export const FILE_FORM_BYTES_MAX = 32 * 1024 * 1024;
/** Of a form beside its file: other fields and boundaries. */
export const FILE_FORM_OVERHEAD_BYTES = 64 * 1024;
/** Bytes of a file in parts: as OpenAI has for batches. */
export const UPLOADED_FILE_BYTES_MAX = 200 * 1024 * 1024;
/** Parts of an upload. */
export const UPLOAD_PIECES_MAX = 1_000;
/** Time for all parts of an upload, as OpenAI has. */
export const UPLOAD_LIFE_MS = 3_600_000;
/** Uploads of a tenant that are under way: at most 3 GB of parts. */
export const OPEN_UPLOADS_MAX = 16;
/** Files of a tenant. */
export const FILES_PER_TENANT_MAX = 10_000;
/** The life of a file, as OpenAI bounds it: an hour to 30 days. */
export const FILE_LIFE_SECONDS_MIN = 3_600;
export const FILE_LIFE_SECONDS_MAX = 2_592_000;
/** Files in an answer when no number is named, and the most. */
export const FILES_PAGE_ENTRIES_DEFAULT = 100;
export const FILES_PAGE_ENTRIES_MAX = 1_000;
/** Objects that the bucket deletes in one call. */
export const BUCKET_DELETE_ENTRIES_MAX = 1_000;

// --- batches ---------------------------------------------------------------------------------------------------

/** Time of a batch: its completion window. */
export const BATCH_LIFE_MS = 24 * 3_600_000;
/** Wait for a batch's object to answer. */
export const BATCH_TIMEOUT_MS = 5_000;
/** Batches in an answer when no number is named, as OpenAI has, and the most: each object is asked. */
export const BATCHES_PAGE_ENTRIES_DEFAULT = 20;
export const BATCHES_PAGE_ENTRIES_MAX = 100;
/** Characters of a value of a batch's metadata, as OpenAI has. */
export const METADATA_CHARS_MAX = 512;
/** Batches and stored responses of an export that are listed at once; each batch is a call to its object. */
export const EXPORT_LIST_ENTRIES_MAX = 16;
