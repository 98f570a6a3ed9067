// Owns the bounds of the D1 queries.

/** Models priced in one version: the version travels to TenantAccount in one call, a row is about 100 bytes. */
export const MODEL_PRICES_MAX = 1_000;
