// Owns whether an address lies in a list of ranges (validated by the edge when the key was made). An IPv4 address
// that comes mapped into IPv6 is the IPv4 address. Bounded by the list, which is.
import { BlockList, isIP } from "node:net";

/** True when `address` is one and lies in one of the ranges. */
export function isInRanges(address: string | undefined, ranges: readonly string[]): boolean {
  const version = address === undefined ? 0 : isIP(address);
  if (address === undefined || version === 0) return false;
  const list = new BlockList();
  for (const range of ranges) {
    const [network = "", prefix] = range.split("/");
    const family = familyOf(isIP(network));
    if (prefix === undefined) list.addAddress(network, family);
    else list.addSubnet(network, Number(prefix), family);
  }
  return list.check(address, familyOf(version));
}

function familyOf(version: number): "ipv4" | "ipv6" {
  return version === 4 ? "ipv4" : "ipv6";
}
