// Owns the fields of an administrative body that say what a key may do. Invariant: what passes here can be checked
// at admission: every range is one, every scope is of the list.
import { protocolLimits, keyScopes, type KeyTerms } from "@fairlane/protocol";
import { isIP } from "node:net";
import { z } from "zod";

const SCOPES = keyScopes();
const PREFIX_BITS = /^(?:0|[1-9][0-9]{0,2})$/;
const ADDRESS_BITS = { 4: 32, 6: 128 } as const;

const name = z.string().min(1).max(protocolLimits.NAME_CHARS_MAX);
const range = z
  .string()
  .max(protocolLimits.NAME_CHARS_MAX)
  .refine(isIpRange, "expected an IPv4 or IPv6 address or a range such as '10.0.0.0/8'");
const listOf = <T extends z.ZodType>(entry: T) =>
  z.array(entry).max(protocolLimits.KEY_LIST_ENTRIES_MAX).nullable();

/** The fields, none with a default: a new key and a change of one differ in that. */
export const keyTermFields = {
  scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
  allowed_models: listOf(name),
  allowed_adapters: listOf(name),
  allowed_ips: listOf(range),
  expires_at_ms: z.int().min(1).nullable(),
};

type KeyTermsBody = {
  readonly [F in keyof typeof keyTermFields]?: z.infer<(typeof keyTermFields)[F]> | undefined;
};

/** The terms that a body names; what it does not name is absent. */
export function keyTermsOf(body: KeyTermsBody): Partial<KeyTerms> {
  const { scopes, allowed_models, allowed_adapters, allowed_ips, expires_at_ms } = body;
  return {
    ...(scopes === undefined ? {} : { scopes: [...new Set(scopes)] }),
    ...(allowed_models === undefined ? {} : { allowedModels: allowed_models }),
    ...(allowed_adapters === undefined ? {} : { allowedAdapters: allowed_adapters }),
    ...(allowed_ips === undefined ? {} : { allowedIps: allowed_ips }),
    ...(expires_at_ms === undefined ? {} : { expiresAtMs: expires_at_ms }),
  };
}

/** Of a key that is limited by nothing and may do nothing. */
export const OPEN_TERMS: KeyTerms = {
  scopes: [],
  allowedModels: null,
  allowedAdapters: null,
  allowedIps: null,
  expiresAtMs: null,
};

/** The terms as an answer has them. */
export function keyTermsBody(terms: KeyTerms) {
  return {
    scopes: terms.scopes,
    allowed_models: terms.allowedModels,
    allowed_adapters: terms.allowedAdapters,
    allowed_ips: terms.allowedIps,
    expires_at_ms: terms.expiresAtMs,
  };
}

/** True for an address, and for an address with the number of its leading bits that count. */
export function isIpRange(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const version = isIP(address);
  // A zone names an interface of the machine that wrote it.
  if ((version !== 4 && version !== 6) || address.includes("%") || rest.length > 0) return false;
  return bits === undefined || (PREFIX_BITS.test(bits) && Number(bits) <= ADDRESS_BITS[version]);
}
