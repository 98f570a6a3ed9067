// Owns what a heartbeat says of where the node has adapters: the whole list, when it is not what the link was told last.
import { protocolLimits, type AdapterTier, type HeartbeatFrame } from "@fairlane/protocol";
import type { AdapterState } from "../adapters/adapter-library.ts";

type Told = NonNullable<HeartbeatFrame["adapters"]>;

const TIERS: Readonly<Record<AdapterState, AdapterTier>> = {
  resident: "device",
  evicting: "device",
  loading: "host",
  host: "host",
  cold: "disk",
};
const ORDER: readonly AdapterTier[] = ["device", "host", "disk"];

/** All adapters of the library, nearest first, up to the bound of a heartbeat. */
export function adapterTiers(
  adapters: readonly { readonly digest: string; readonly state: AdapterState }[],
): Told {
  const tiers = new Map(adapters.map(({ digest, state }) => [digest, TIERS[state]]));
  const told = [...tiers].map(([digest, tier]) => ({ digest, tier }));
  told.sort((left, right) => ORDER.indexOf(left.tier) - ORDER.indexOf(right.tier));
  return told.slice(0, protocolLimits.HEARTBEAT_ADAPTERS_MAX);
}

/** What one link was told; begins anew with each link. */
export class ToldAdapters {
  #told = "";

  /** For the frame: the list if it has changed, else nothing. */
  news(adapters: Told): { readonly adapters?: Told } {
    const text = JSON.stringify(adapters);
    if (text === this.#told) return {};
    this.#told = text;
    return { adapters };
  }
}
