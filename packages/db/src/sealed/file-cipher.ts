// Owns the encryption of one sealed file: AES-256-GCM by chunk, under a key of its own that is derived (HKDF-SHA-256)
// from the tenant's key, the file's name and a random salt. The nonce is the chunk's number, which the salt makes safe: a
// file that is written again has another key. The number and whether it is the last one are authenticated with each chunk,
// so a file that was cut, reordered or mixed with another does not open.
import { assert, frameFields } from "@fairlane/base";
import { AppError } from "@fairlane/protocol";
import { sealedLayout } from "./sealed-layout.ts";

const KEY_DOMAIN = "fairlane-file-key-v1";
const CHUNK_DOMAIN = "fairlane-file-chunk-v1";
const NONCE_BYTES = 12;

/** Which file of which tenant. */
export interface FileName {
  readonly tenantId: string;
  readonly kind: string;
  readonly id: string;
}

/** A chunk's number, and whether none follows. */
export interface ChunkPlace {
  readonly index: number;
  readonly isLast: boolean;
}

export class FileCipher {
  readonly #key: CryptoKey;

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  /** @param tenantKey 64 hex digits: see filesKeyOf */
  static async of(
    tenantKey: string,
    name: FileName,
    salt: Uint8Array<ArrayBuffer>,
  ): Promise<FileCipher> {
    assert(/^[0-9a-f]{64}$/.test(tenantKey), "a tenant's key for files has 64 hex digits");
    assert(salt.length === sealedLayout.SALT_BYTES, `a salt of ${salt.length} bytes`);
    const bytes = Uint8Array.from(tenantKey.match(/../g) ?? [], (pair) =>
      Number.parseInt(pair, 16),
    );
    const root = await crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey"]);
    const info = frameFields(KEY_DOMAIN, [name.tenantId, name.kind, name.id]);
    const key = await crypto.subtle.deriveKey(
      { name: "HKDF", hash: "SHA-256", salt, info },
      root,
      { name: "AES-GCM", length: 256 },
      false,
      ["encrypt", "decrypt"],
    );
    return new FileCipher(key);
  }

  async seal(place: ChunkPlace, clear: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await crypto.subtle.encrypt(termsOf(place), this.#key, clear));
  }

  /** Throws AppError `file_damaged` for anything but this chunk of this file at this place. */
  async open(place: ChunkPlace, sealed: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return new Uint8Array(await crypto.subtle.decrypt(termsOf(place), this.#key, sealed));
    } catch {
      throw damaged();
    }
  }
}

function termsOf({ index, isLast }: ChunkPlace) {
  const iv = new Uint8Array(NONCE_BYTES);
  new DataView(iv.buffer).setUint32(NONCE_BYTES - 4, index);
  const additionalData = frameFields(CHUNK_DOMAIN, [iv, Uint8Array.of(isLast ? 1 : 0)]);
  return { name: "AES-GCM", iv, additionalData };
}

/** The one refusal of content that is not what was written. */
export function damaged(): AppError {
  return new AppError("file_damaged", "The stored content of the file is damaged; send it again.");
}
