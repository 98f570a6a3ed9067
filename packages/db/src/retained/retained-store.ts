// Owns the text that is kept of a tenant: encrypted objects in R2, each with the time of its end. Only requests that
// are flagged to be retained have any. Invariant: an object opens only under its tenant's key, its own name and its
// own time; what is past its time is absent for every reader, swept or not.
import { assert, frameFields, type Random } from "@fairlane/base";
import type { R2Bucket } from "@cloudflare/workers-types";
import { RETAINED_BYTES_MAX, RETAINED_TTL_MS_MAX } from "../limits.ts";

/** What is kept: `response` = a stored response, `replay` = an answer under an idempotency key, `batch` = lines. */
export type RetainedKind = "response" | "replay" | "batch";

/** Names one object of a tenant. The id is ours or a digest: never text of a user. */
export interface RetainedRef {
  readonly kind: RetainedKind;
  readonly id: string;
}

export interface RetainedOptions {
  readonly bucket: R2Bucket;
  readonly tenantId: string;
  /** 64 hex digits: see retainedKeyOf. */
  readonly key: string;
  readonly random: Random;
}

const AAD_DOMAIN = "fairlane-retained-object-v1";
const FORMAT_VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + NONCE_BYTES;
const TOKENS_FIELD = "tokens-max";
/** The metadata field that readers and the sweeper go by. */
export const EXPIRES_FIELD = "expires-at-ms";
const ID = /^[A-Za-z0-9_-]{1,128}$/;

export class RetainedStore {
  readonly #options: RetainedOptions;
  #cryptoKey: Promise<CryptoKey> | undefined;

  constructor(options: RetainedOptions) {
    this.#options = options;
  }

  /**
   * Keeps a text until `nowMs + ttlMs`, in place of what the name had before.
   * @returns false when it is larger than RETAINED_BYTES_MAX, and nothing was written
   */
  async put(
    ref: RetainedRef,
    text: string,
    life: {
      readonly nowMs: number;
      readonly ttlMs: number;
      /** What reading it as a prompt takes at most: told by `tokensMaxOf` without the key. */
      readonly tokensMax?: number;
    },
  ): Promise<boolean> {
    assert(life.ttlMs > 0 && life.ttlMs <= RETAINED_TTL_MS_MAX, `no such life: ${life.ttlMs} ms`);
    const clear = new TextEncoder().encode(text);
    if (clear.length > RETAINED_BYTES_MAX) return false;
    const expiresAt = String(life.nowMs + life.ttlMs);
    const nonce = this.#options.random.fill(new Uint8Array(NONCE_BYTES));
    const sealed = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv: nonce, additionalData: this.#aad(ref, expiresAt) },
      await this.#key(),
      clear,
    );
    const bytes = new Uint8Array(HEAD_BYTES + sealed.byteLength);
    bytes[0] = FORMAT_VERSION;
    bytes.set(nonce, 1);
    bytes.set(new Uint8Array(sealed), HEAD_BYTES);
    await this.#options.bucket.put(this.#name(ref), bytes, {
      customMetadata: {
        [EXPIRES_FIELD]: expiresAt,
        ...(life.tokensMax === undefined ? {} : { [TOKENS_FIELD]: String(life.tokensMax) }),
      },
    });
    return true;
  }

  /** The text; undefined when there is none, or its time is over. Throws when the object was tampered with. */
  async get(ref: RetainedRef, nowMs: number): Promise<string | undefined> {
    const object = await this.#options.bucket.get(this.#name(ref));
    if (object === null) return undefined;
    const expiresAt = object.customMetadata?.[EXPIRES_FIELD] ?? "0";
    if (Number(expiresAt) <= nowMs) {
      await object.body.cancel();
      return undefined;
    }
    const bytes = new Uint8Array(await object.arrayBuffer());
    assert(
      bytes[0] === FORMAT_VERSION && bytes.length >= HEAD_BYTES + TAG_BYTES,
      `retained ${ref.kind} has an unknown format`,
    );
    const clear = await crypto.subtle.decrypt(
      {
        name: "AES-GCM",
        iv: bytes.subarray(1, HEAD_BYTES),
        additionalData: this.#aad(ref, expiresAt),
      },
      await this.#key(),
      bytes.subarray(HEAD_BYTES),
    );
    return new TextDecoder().decode(clear);
  }

  /**
   * What was said of it when it was put: an estimate for admission, which comes before the text may be read. Undefined
   * when there is none, or its time is over.
   */
  async tokensMaxOf(ref: RetainedRef, nowMs: number): Promise<number | undefined> {
    const object = await this.#options.bucket.head(this.#name(ref));
    const metadata = object?.customMetadata ?? {};
    if (Number(metadata[EXPIRES_FIELD] ?? "0") <= nowMs) return undefined;
    return Number(metadata[TOKENS_FIELD] ?? "0");
  }

  /** Deletes at once and together; a name without an object is no error. */
  async delete(...refs: readonly RetainedRef[]): Promise<void> {
    await this.#options.bucket.delete(refs.map((ref) => this.#name(ref)));
  }

  #name({ kind, id }: RetainedRef): string {
    assert(ID.test(id), "the id of a retained object is made of letters, digits, '_' and '-'");
    return `${this.#options.tenantId}/${kind}/${id}`;
  }

  // Binds the name and the time to the text, so that neither can be exchanged.
  #aad({ kind, id }: RetainedRef, expiresAt: string): Uint8Array<ArrayBuffer> {
    return frameFields(AAD_DOMAIN, [this.#options.tenantId, kind, id, expiresAt]);
  }

  #key(): Promise<CryptoKey> {
    const { key } = this.#options;
    assert(/^[0-9a-f]{64}$/.test(key), "a retained key has 64 hex digits");
    const raw = Uint8Array.from(key.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
    return (this.#cryptoKey ??= crypto.subtle.importKey("raw", raw, "AES-GCM", false, [
      "encrypt",
      "decrypt",
    ]));
  }
}
