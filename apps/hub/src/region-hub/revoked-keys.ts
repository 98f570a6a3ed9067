// Owns which keys were revoked lately: a request that was admitted just before may arrive just after. The oldest is
// forgotten beyond the bound.
import { REVOKED_KEYS_MAX } from "../limits.ts";

/** Whose key. */
export interface KeyOwner {
  readonly tenantId: string;
  readonly keyId: string;
}

export class RevokedKeys {
  readonly #keys = new Set<string>();

  add({ tenantId, keyId }: KeyOwner): void {
    const [oldest] = this.#keys;
    if (this.#keys.size >= REVOKED_KEYS_MAX && oldest) this.#keys.delete(oldest);
    this.#keys.add(`${tenantId}/${keyId}`);
  }

  has({ tenantId, keyId }: KeyOwner): boolean {
    return this.#keys.has(`${tenantId}/${keyId}`);
  }
}
