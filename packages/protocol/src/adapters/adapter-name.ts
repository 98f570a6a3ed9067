// Owns how adapters are named in `model`: `base:owner/adapter@version`, `base:adapter` for one's own, `@version`
// optional and `@latest` the same as none. Names are for people; what is computed and cached goes by digest.
import { isId } from "@fairlane/base";
import { ADAPTER_VERSION_MAX } from "../limits.ts";

/** An adapter as a model name says it. */
export interface AdapterRef {
  /** The tenant that owns it; undefined means the caller. */
  readonly owner: string | undefined;
  readonly name: string;
  /** Undefined means the latest. */
  readonly version: number | undefined;
}

export interface ModelName {
  readonly base: string;
  readonly adapter: AdapterRef | undefined;
}

const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const REF = /^(?:([^/@]+)\/)?([^/@]+)(?:@([^/@]+))?$/;

/** True for 1 to 64 characters of `a-z`, `0-9`, `.`, `_`, `-` that begin and end with a letter or digit. */
export function isAdapterName(text: string): boolean {
  return NAME.test(text);
}

/**
 * Takes a `model` apart; the last `:` separates base and adapter.
 * @returns undefined for a name that no model and no adapter can have
 */
export function parseModelName(text: string): ModelName | undefined {
  const at = text.lastIndexOf(":");
  if (at === -1) return { base: text, adapter: undefined };
  const [, owner, name, version] = REF.exec(text.slice(at + 1)) ?? [];
  if (name === undefined || !isAdapterName(name)) return undefined;
  if (owner !== undefined && !isId("ten", owner)) return undefined;
  const number = version === undefined || version === "latest" ? undefined : readVersion(version);
  if (number === null) return undefined;
  return { base: text.slice(0, at), adapter: { owner, name, version: number } };
}

/** `owner/name@version`, or without the version where any is meant. */
export function adapterText(adapter: {
  readonly owner: string;
  readonly name: string;
  readonly version?: number;
}): string {
  const { owner, name, version } = adapter;
  return version === undefined ? `${owner}/${name}` : `${owner}/${name}@${version}`;
}

function readVersion(text: string): number | null {
  const version = /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : 0;
  return version >= 1 && version <= ADAPTER_VERSION_MAX ? version : null;
}
