// Owns every bound of the node's own HTTP server, with unit and reason. Body and field bounds of the public API are
// in @fairlane/protocol.

/** Connections at once: one per stream of a full node, and as many idle ones. */
export const CONNECTIONS_MAX = 4_096;
/** From the first byte of a request to the end of its headers. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** From the first byte of a request to the end of its body: 4 MiB at a slow 1 Mbit/s. */
export const REQUEST_TIMEOUT_MS = 40_000;
/** An idle connection stays open longer than the pools of common clients and proxies keep theirs. */
export const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** Bytes of headers. */
export const HEADER_BYTES_MAX = 16 * 1024;
/** Bytes of all bodies that are being read at once: 64 of the largest, or thousands of usual ones. */
export const BODIES_BYTES_MAX = 256 * 1024 * 1024;
/** Bytes that may wait for a slow stream client before its request is cancelled: minutes of reading ahead. */
export const STREAM_BUFFERED_BYTES_MAX = 256 * 1024;
/**
 * Silence on a stream before a keep-alive comment. The hub writes one each 200 ms, because only a write shows it a
 * lost client; this server sees the socket close, so it can spare parsers that choke on comments.
 */
export const STREAM_KEEP_ALIVE_MS = 10_000;
/** Life of a request from its receipt: official SDKs give up after ten minutes. */
export const REQUEST_LIFE_MS = 600_000;
/** Characters of a client's own request id that are echoed. */
export const CLIENT_REQUEST_ID_CHARS_MAX = 128;
/** Wait for answers in flight when the server closes. */
export const CLOSE_TIMEOUT_MS = 2_000;
/** Characters of an adapter's path: the longest that systems take. */
export const ADAPTER_PATH_CHARS_MAX = 4_096;
