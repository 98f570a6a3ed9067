// Owns whose work was ended lately: a request that was admitted just before may arrive just after. Keys never come
// back, so the newest are remembered; a suspended tenant may, so it is remembered for a moment only.
import type { ErrorValue } from "@fairlane/protocol";
import { REVOKED_KEYS_MAX, SUSPENDED_TENANTS_MAX, SUSPENSION_MEMORY_MS } from "../limits.ts";
import { keyRevoked, tenantSuspended } from "./request-errors.ts";

/** Whose work. */
export interface WorkOwner {
  readonly tenantId: string;
  /** Null: of all of the tenant's keys. */
  readonly keyId: string | null;
}

export class RevokedWork {
  readonly #keys = new Set<string>();
  readonly #suspendedUntilMs = new Map<string, number>();

  add({ tenantId, keyId }: WorkOwner, nowMs: number): void {
    if (keyId === null) {
      makeRoom(this.#suspendedUntilMs, SUSPENDED_TENANTS_MAX);
      this.#suspendedUntilMs.set(tenantId, nowMs + SUSPENSION_MEMORY_MS);
    } else {
      makeRoom(this.#keys, REVOKED_KEYS_MAX);
      this.#keys.add(`${tenantId}/${keyId}`);
    }
  }

  /** Why this key's request is not taken, or undefined when it is. */
  refusalOf(owner: { readonly tenantId: string; readonly keyId: string }, nowMs: number) {
    const { tenantId, keyId } = owner;
    if (this.#keys.has(`${tenantId}/${keyId}`)) return keyRevoked();
    const isSuspended = nowMs < (this.#suspendedUntilMs.get(tenantId) ?? 0);
    return isSuspended ? tenantSuspended() : undefined;
  }
}

/** With what the work of this owner ends. */
export function endOf(owner: WorkOwner): ErrorValue {
  return owner.keyId === null ? tenantSuspended() : keyRevoked();
}

/** Forgets the oldest when there are as many as may be. */
function makeRoom(known: Set<string> | Map<string, number>, countMax: number): void {
  const [oldest] = known.keys();
  if (known.size >= countMax && oldest !== undefined) known.delete(oldest);
}
