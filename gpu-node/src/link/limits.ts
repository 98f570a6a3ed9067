// Owns every bound of the node's side of the link, with unit and reason.
import { protocolLimits } from "@fairlane/protocol";

/** From the TCP connect to the end of the WebSocket handshake: a far hub answers in well under a second. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** From the handshake to `welcome`; the hub answers `hello` at once. */
export const WELCOME_TIMEOUT_MS = 5_000;
/** First wait before a lost link is dialled again. */
export const REDIAL_BASE_MS = 100;
/** Longest wait between two dials: a hub that comes back has its nodes within this time. */
export const REDIAL_CAP_MS = 5_000;
/** Heartbeat intervals that a hub may ask for are cut to this range, so that a wrong one does no harm. */
export const HEARTBEAT_MIN_MS = 50;
export const HEARTBEAT_MAX_MS = 30_000;
/** Heartbeat intervals without any sign of the hub before its link counts as lost. */
export const SILENT_HEARTBEATS_MAX = 4;
/** Bytes that may wait for a slow hub before its link is given up: seconds of frames of a full node. */
export const LINK_BUFFERED_BYTES_MAX = 32 * 1024 * 1024;
/** Characters of frames that are joined to one message: the hub parses it in milliseconds. */
export const BATCH_CHARS_MAX = 1024 * 1024;
/** Bytes of one frame from the hub: a UTF-16 unit takes at most 3 bytes, so the bound on characters decides. */
export const FRAME_BYTES_MAX = protocolLimits.FRAME_CHARS_MAX * 3;
/** Time that preparing requests may keep the main thread from step messages before it lets them pass. */
export const INTAKE_SLICE_MS = 4;
/** Requests that may be in preparation (tokenising) at once, over all links. */
export const PREPARING_REQUESTS_MAX = 2 * protocolLimits.SUBMIT_REQUESTS_MAX;
/** Time that a request goes on after its link was lost, for the hub or its client to ask for it again. */
export const DETACHED_KEPT_MS = 30_000;
/** Time that an ended answer is kept, for a hub that did not get all of it before its link was lost. */
export const ENDED_ANSWERS_KEPT_MS = 30_000;
/** Deltas of kept answers over all shards: about 200 bytes each, so 50 MB; a full node makes as many in half a minute. */
export const KEPT_PARTS_MAX = 262_144;
/** Pause between looks for what nobody has asked for in time. */
export const SWEEP_MS = 1_000;
/** Wait of a closing link for the hub's close frame before the socket is cut. */
export const CLOSE_TIMEOUT_MS = 1_000;
/** Ignored frame types that get a log line each: a newer hub adds a handful. */
export const UNKNOWN_TYPES_MAX = 32;
/** How long a request waits for its adapter: the hub gives a node 15 s to say whether it takes a request. */
export const ADAPTER_WAIT_MS = 10_000;
/** Pulls that run at once: two fill a link of 10 Gbit/s, and a slow one does not hold all others up. */
export const ADAPTER_PULLS_MAX = 4;
/** Adapters that are pulled or wait for their turn; also failures that are remembered. */
export const ADAPTER_PULLS_WAITING_MAX = 512;
/** How long the refusal of a broken or deleted adapter is repeated instead of pulling it again. */
export const ADAPTER_FAILURE_MS = 60_000;
/** The same after a pull that failed for a passing reason. */
export const ADAPTER_RETRY_MS = 2_000;
/** Read of an adapter's configuration, which has at most a megabyte. */
export const ADAPTER_CONFIG_TIMEOUT_MS = 10_000;
/** Age at which what is left of an unfinished pull is removed. */
export const PULLED_FOLDER_MS_MAX = 24 * 3_600_000;
