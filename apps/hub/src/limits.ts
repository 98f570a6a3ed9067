// Owns every bound of the hub with its unit and reason.
import { protocolLimits } from "@fairlane/protocol";

// --- links -----------------------------------------------------------------------------------------------------

/** Nodes send a heartbeat this often: the load that routing sees is at most this old. */
export const HEARTBEAT_MS = 1_000;
/** A link without any frame for this long is lost: five heartbeats, so that a busy node is not cut off. */
export const LINK_SILENCE_MS = 5 * HEARTBEAT_MS;
/** Regions of a platform; a revocation asks every shard of each. */
export const REGIONS_MAX = 32;
/** Links of one shard, greeted or not: a region's nodes, with room for re-dials. */
export const LINKS_MAX = 256;
/** Ids that a link remembers having cancelled: late frames arrive for a step or two, not for thousands of ids. */
export const CANCELLED_IDS_MAX = 4_096;
/** Usage records of one link that wait for their commit, about 4 MB; more are dropped, since the node sends them again. */
export const USAGE_RECORDS_WAITING_MAX = 8_192;
/**
 * Commits of one link's usage begin at least this far apart, the first after a pause at once: a commit and its settlements
 * cost the same for one record as for fifty, and a hold outlives its request by no more than this.
 */
export const USAGE_WINDOW_MS = 50;
/** Wait for UsageIntake's commit: it takes milliseconds; after this the node sends the records again. */
export const COMMIT_TIMEOUT_MS = 10_000;

// --- requests --------------------------------------------------------------------------------------------------

/** Requests alive in one shard. About 10 KB each without their bodies, so 40 MB of an object's 128 MB. */
export const LIVE_REQUESTS_MAX = 4_096;
/** Characters of bodies that wait for their node's word: they are kept for a failover until then. */
export const WAITING_BODY_CHARS_MAX = 16 * 1024 * 1024;
/** Wait for a node to link when none is: a node re-dials within 0.2 s, a restart of one takes seconds. */
export const LINK_WAIT_MS = 2_000;
/** Wait for a node's accept or refuse: it validates and tokenises, which takes milliseconds. */
export const ACCEPT_WAIT_MS = 15_000;
/** Wait for a node whose link was cut, once the client has tokens: it dials again within 0.2 s, then ever more slowly. */
export const RESUME_WAIT_MS = 5_000;
/** The same before the first token, when another node can still take the request. */
export const RESUME_FIRST_WAIT_MS = 1_000;
/** Time after the start of a shard that a request is looked for: its nodes link again within it. */
export const ATTACH_WAIT_MS = 5_000;
/** Streams that are looked for at once. */
export const ATTACHMENTS_MAX = 1_024;
/** Characters of bodies that wait before accepted requests give theirs up: then only unaccepted ones can fail over. */
export const KEPT_BODY_CHARS_MAX = WAITING_BODY_CHARS_MAX / 2;
/** Nodes that one request is offered to before it fails. */
export const ATTEMPTS_MAX = 3;
/** Prompts of which one, if its beginning is cached, goes to another node: a hot beginning comes to lie on several. */
export const EXPLORE_EVERY_REQUESTS = 100;
/** Digests of a node's prefixes that routing keeps: what it said, and what was sent there since. */
export const NODE_PREFIXES_MAX = 4 * protocolLimits.HEARTBEAT_PREFIXES_MAX;
/** Submissions are coalesced for this long; the first one after a pause leaves at once. */
export const SUBMIT_WINDOW_MS = 1;
/** A node's requests up to which a submission waits for no others: where more run, frames of many save more than it costs. */
export const SUBMIT_AT_ONCE_REQUESTS = 4;
/** Characters of one submit frame: keeps parsing of one frame at the node in the low milliseconds. */
export const SUBMIT_FRAME_CHARS_MAX = 8 * 1024 * 1024;
/** Revoked keys a shard remembers, for requests that were admitted just before: those arrive within seconds. */
export const REVOKED_KEYS_MAX = 1_024;
/** Suspended tenants likewise, and for how long: they may come back. */
export const SUSPENDED_TENANTS_MAX = 1_024;
export const SUSPENSION_MEMORY_MS = 5_000;
/** Retry hint when no node is there or all are full. */
export const RETRY_AFTER_MS = 1_000;

// --- answers ---------------------------------------------------------------------------------------------------

/** One interval over all live requests: keep-alives, deadlines, silent links. */
export const TICK_MS = 50;
/** Longest silence on a stream: a tick before it a keep-alive comment is written; two find a lost client (docs/wire-v1.md). */
export const KEEP_ALIVE_MS = 200;
/** Bytes that one slow client may leave unread, about 1,000 tokens, before its stream is cut. */
export const STREAM_BUFFER_BYTES_MAX = 256 * 1024;
/** Unread bytes of all streams of a shard; above it the slowest are cut: an object has 128 MB. */
export const STREAMS_BUFFER_BYTES_MAX = 32 * 1024 * 1024;
/** Characters of an answer that is not streamed; beyond it the request fails. */
export const ANSWER_CHARS_MAX = 4 * 1024 * 1024;

/** Wait for R2 to keep an answer, while the end of its stream waits. */
export const KEEP_ANSWER_TIMEOUT_MS = 10_000;
/** A grant is renewed when an answer has this many output tokens of it left; a node that gets to its end sooner waits. */
export const GRANT_MARGIN_TOKENS = 256;
/** Pause before a refused renewal is asked for again: other requests may have ended. */
export const GRANT_RETRY_MS = 250;
/** Wait for a renewal: milliseconds; then it is asked again, while nodes wait. */
export const GRANT_ASK_TIMEOUT_MS = 2_000;

// --- usage -----------------------------------------------------------------------------------------------------

/** Packs that UsageIntake keeps for accounts that cannot be reached; then nodes keep their records. */
export const INTAKE_PACKS_MAX = 100_000;
/** Answers of gone nodes whose own records are waited for; beyond it the oldest are estimated at once. */
export const DELIVERIES_KEPT_MAX = 100_000;
/** Records made from them in one transaction. */
export const ESTIMATES_PER_RUN_MAX = 512;
/** Answers that a shard remembers for the case that their node's journal is lost, about 300 bytes each. */
export const DELIVERIES_WATCHED_MAX = 16_384;
/** Time that an ended answer is remembered so: its record is acknowledged within seconds. */
export const DELIVERY_WATCHED_MS = 60_000;
/** Pause between looks for answers that have ended. */
export const DELIVERY_SWEEP_MS = 1_000;
/** Answers of one report. */
export const DELIVERIES_PER_REPORT_MAX = 512;
/** Wait for UsageIntake to keep a report. */
export const DELIVERY_TIMEOUT_MS = 10_000;
/** Tenants whose usage is forwarded at the same time. */
export const FORWARD_TENANTS_MAX = 8;
/** Rounds of one forwarding run before the alarm takes over: bounds the length of one event. */
export const FORWARD_ROUNDS_MAX = 256;
/** Records of one settleMany: one transaction of the account, a few milliseconds. */
export const SETTLE_RECORDS_MAX = 512;
/** Packs read for one settleMany: a pack is what one usage frame had for the tenant, often one record. */
export const PACKS_PER_BATCH_MAX = 64;
/** Wait for settleMany: a transaction and one commit. */
export const SETTLE_TIMEOUT_MS = 10_000;
/** Epochs whose watermark is kept for a (tenant, node); an older one counts as settled. A node starts one at boot. */
export const EPOCHS_KEPT_MAX = 1_000;
/** First and longest pause between tries of forwarding usage or writing the ledger. */
export const RETRY_FIRST_MS = 500;
export const RETRY_LONGEST_MS = 60_000;

// --- fairness over the fleet -----------------------------------------------------------------------------------

/** Nodes are told the others' service this often, and UsageIntake what changed: delta of the claimed bound. */
export const SERVICE_PERIOD_MS = 1_000;
/** Tenants whose service is merged, about 200 bytes for each node that serves them: 40 MB with four nodes each. */
export const SERVICE_TENANTS_KEPT_MAX = 50_000;
/** Open epochs of a node: late cells of that many boots are still taken; older ones are summed up. */
export const NODE_EPOCHS_MAX = 8;
/** Cells handed to UsageIntake in one call: about 250 bytes each, and one statement or two. */
export const FLEET_SYNC_CELLS_MAX = 4_096;
/** Wait for UsageIntake to keep them, or to read a page of what it keeps. */
export const FLEET_TIMEOUT_MS = 10_000;
/** Tenants in a page of what UsageIntake keeps: a page stays below 10 MB with eight epochs on four nodes each. */
export const FLEET_PAGE_TENANTS_MAX = 1_024;
/** Other regions' sums in one answer. */
export const REMOTE_ROWS_MAX = 4_096;
/** Pause between writes of changed service to D1, which other regions read: part of delta between regions. */
export const CHECKPOINT_MS = 5_000;
/** Statements of one checkpoint for cells, and for hours: bounds the length of one event. */
export const CHECKPOINT_BATCHES_MAX = 16;
/** D1 is read for other regions while a shard has asked within this time. */
export const FLEET_POLL_MS = 15_000;
/** Rows of other regions are read again for this long after they were newest: clocks differ. */
export const REGION_SKEW_MS = 10_000;
/** Pause between looks for what may be forgotten: each reads the whole table. */
export const FLEET_PRUNE_MS = 3_600_000;
/** Hours stay here after their end, for a D1 that cannot be written. */
export const HOURS_KEPT_MS = 48 * 3_600_000;
/** A tenant without service for this long is forgotten here; D1 keeps its cells. */
export const SERVICE_KEPT_MS = 30 * 24 * 3_600_000;

// --- accounts --------------------------------------------------------------------------------------------------

/** Keys of a tenant, all kept in memory: 200 bytes each, and what their lists take. */
export const KEYS_MAX = 1_000;
/** Pause before uses of keys are written when nothing else is: coarse on purpose, and lost by a restart within it. */
export const KEY_USE_WRITE_MS = 1_000;
/** Members of a tenant, all kept in memory: 100 bytes each. */
export const MEMBERS_MAX = 1_000;
/** Sessions and unused logins of a tenant: the oldest end when there are more. About 300 bytes each. */
export const SESSIONS_MAX = 2_000;
export const LOGINS_MAX = 1_000;
/** Requests a minute of all of a tenant's sessions: dashboards of a team that reload; they take none of its API limits. */
export const SESSION_REQUESTS_PER_MINUTE = 3_000;
/** Wait for a shard to end a revoked key's work; the revocation itself is effective before. */
export const CANCEL_WORK_TIMEOUT_MS = 2_000;
/** Price versions an account remembers: a request keeps the one it was admitted under. */
export const PRICE_VERSIONS_MAX = 256;
/** Reservations held at once, whatever the tenant's parallel limit says. */
export const HOLDS_MAX = 10_000;
/** Idempotency keys that an account remembers: about 300 bytes each, 3 MB. */
export const IDEMPOTENCY_KEYS_MAX = 10_000;
/** For how long: a client that comes back after a day starts anew. */
export const IDEMPOTENCY_KEPT_MS = 24 * 3_600_000;
/** Requests that wait for others with their key at the same time; more ask again. */
export const IDEMPOTENCY_WAITERS_MAX = 1_000;
/** One wait: shorter than what callers of an object give up after. */
export const IDEMPOTENCY_WAIT_MS_MAX = 10_000;
/** Output tokens of each answer that a request under a hard budget holds money for at first, and with each renewal. */
export const GRANT_OUTPUT_TOKENS = 512;
/** Budgets that a tenant sets itself: each is looked at in every admission that it is of. */
export const OWN_BUDGETS_MAX = 100;
/** Days of spend that are kept for budgets: the longest window and some. */
export const SPEND_DAYS_KEPT_MS = 40 * 24 * 3_600_000;
/** Grants of credit that an account keeps, used up or not: a row of 100 bytes each. */
export const CREDIT_GRANTS_MAX = 1_000;
/** Events that wait for a tenant's webhook; more are logged and lost: an endpoint that is away for long. */
export const WEBHOOK_EVENTS_MAX = 1_000;
/** Sent in one run. */
export const WEBHOOK_SENDS_MAX = 16;
/** Wait for an endpoint's answer. */
export const WEBHOOK_TIMEOUT_MS = 10_000;
/** An event that its endpoint has not taken for this long is given up. */
export const WEBHOOK_EVENT_KEPT_MS = 3 * 24 * 3_600_000;
/** Projects and keys of a tenant that have limits of their own: about 300 bytes each, in memory. */
export const SCOPE_LIMITS_MAX = 1_000;
/** The durable cover of a scope counts at least this many requests as running, and twice what runs: few writes. */
export const COVER_REQUESTS_MIN = 8;
/** It lies this part of a minute's units below each bucket: at full rate some eight writes a minute. */
export const COVER_SLACK_PERCENT = 12;
/** And its leases end this much later than those of what runs: one write a minute for that. */
export const COVER_LEASE_AHEAD_MS = 60_000;
/** Nothing has run for this long: covers are taken back. Objects are put away after longer. */
export const COVER_RELAX_MS = 5_000;
/** Requests or tokens a minute: keeps the bucket's integers (60,000 parts a unit) below 2^53. */
export const RATE_PER_MINUTE_MAX = 10_000_000_000;
/** Attempts an account remembers so as to bill each token once over all attempts of a request. */
export const ATTEMPTS_KEPT_MAX = 10_000;
/** Packs of ledger entries waiting for D1; then settling stops and the chain behind it keeps the records. */
export const OUTBOX_PACKS_MAX = 10_000;
/** Pause before the outbox is written, so that entries of a burst share a statement. */
export const OUTBOX_DELAY_MS = 100;
/** And since the last time: D1 takes some hundred statements a second, of all tenants that are busy. */
export const OUTBOX_SPACING_MS = 500;
/** Statements of one alarm: bounds the length of one event. */
export const OUTBOX_STATEMENTS_MAX = 64;
/** Wait for one ledger statement: D1 stops a query after 30 s. */
export const LEDGER_TIMEOUT_MS = 30_000;
/** Wait for an intake to say what it holds of a tenant: below the time that the edge gives the account. */
export const BOOKS_TIMEOUT_MS = 3_000;

// --- scheduled jobs --------------------------------------------------------------------------------------------

/** Pause between two ticks: the trigger in wrangler.toml, and the timer of the local starter. */
export const JOB_TICK_MS = 60_000;
/** One run of a job: far above what a bounded run takes; then it counts as failed. */
export const JOB_TIMEOUT_MS = 5 * 60_000;
/** A claim without an end counts as lost after this: an event of a trigger may take 15 minutes. */
export const JOB_LEASE_MS = 15 * 60_000;
/** Pause before a job that failed is run again, if its own is not shorter. */
export const JOB_RETRY_MS = 5 * 60_000;
/** Expired files or uploads taken out in one round: one deletion of a bucket and one of D1. */
export const FILES_SWEPT_MAX = 64;
/** Rounds of one sweep of files: a few seconds of storage calls. */
export const SWEEP_ROUNDS_MAX = 64;

// --- reconciliation --------------------------------------------------------------------------------------------

/** Journals (node and epoch) of a tenant that are compared, the newest: about 100 bytes each. */
export const SOURCES_CHECKED_MAX = 4_096;
/** Tenants compared in one run: each takes a few calls and one look through its entries. */
export const RECONCILE_TENANTS_MAX = 64;
/** Of those at the same time: a script may wait for six connections at once. */
export const RECONCILE_PARALLEL_MAX = 4;
/** Looks at a tenant whose usage is moving, and the pause between them: usage is in the ledger within half a second. */
export const RECONCILE_TRIES_MAX = 3;
export const RECONCILE_PAUSE_MS = 700;
/** Wait for an account or an intake to say how it stands. */
export const RECONCILE_TIMEOUT_MS = 10_000;

// --- invoices --------------------------------------------------------------------------------------------------

/** Drafts made in one run of the job: each is some queries, of which an event has a thousand. */
export const DRAFTS_PER_RUN_MAX = 50;
/** How long after it became final an invoice's entries stay in the ledger, and the invoice can become void: a quarter. */
export const ARCHIVE_AFTER_MS = 90 * 24 * 3_600_000;
/** Entries of one object of the archive: about 1.5 MB before they are compressed, all of it in memory a few times. */
export const ARCHIVE_PART_ENTRIES_MAX = 2_000;
/** Parts written in one run: each takes some tenths of a second. */
export const ARCHIVE_PARTS_PER_RUN_MAX = 64;
/** Invoices looked up at once. */
export const ARCHIVE_INVOICES_PER_PAGE_MAX = 50;

// --- export of usage -------------------------------------------------------------------------------------------

/** Ledger entries in one batch of CloudEvents: about 80 KB. */
export const EXPORTED_ROWS_MAX = 100;
/** Entries told to Stripe, call by call, before the cursor is written: what a crash repeats. */
export const METERED_ROWS_MAX = 25;
/** Batches of one run: with a slow endpoint two minutes; more go on at the next tick. */
export const EXPORT_BATCHES_MAX = 20;
/** Longest pause after failures. */
export const EXPORT_PAUSE_MS_MAX = 3_600_000;
/** Refused entries that wait for the operator; then the export stops, so that none is lost from sight. */
export const BILLING_REJECTIONS_MAX = 10_000;
/** Characters of an endpoint's refusal that are read. */
export const BILLING_ANSWER_CHARS_MAX = 4_096;
