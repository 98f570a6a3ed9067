// Owns the text of a node token: `fln1_<node name>_<secret>_<mac>`, sent as a bearer token when a node dials
// the hub. The tag under the server's pepper binds the token to the node's name, so the hub needs no look-up and
// a node cannot pass itself off as another.
import { assert, base32Encode, equalsConstantTime, macFields, type Random } from "@fairlane/base";

const PREFIX = "fln1";
const SECRET_BYTES = 32;
const MAC_BYTES = 16;
const MAC_DOMAIN = "fairlane-node-token-mac-v1";
const NAME = /^[a-z0-9-]{1,32}$/;
const SHAPE = new RegExp(`^${PREFIX}_([a-z0-9-]{1,32})_([0-9a-hjkmnp-tv-z]{52})_([0-9a-z]{26})$`);

const encoder = new TextEncoder();

/** True for 1 to 32 characters of `a-z`, `0-9` and `-`. */
export function isNodeName(text: string): boolean {
  return NAME.test(text);
}

/** Makes a token for the node of this name. */
export async function makeNodeToken(options: {
  readonly nodeName: string;
  readonly pepper: string;
  readonly random: Random;
}): Promise<string> {
  const { nodeName, pepper, random } = options;
  assert(isNodeName(nodeName), "a node name is 1 to 32 characters of a-z, 0-9 and -");
  assert(pepper.length > 0, "the key pepper is empty");
  const secret = base32Encode(random.fill(new Uint8Array(SECRET_BYTES)));
  return [PREFIX, nodeName, secret, await macText(pepper, [nodeName, secret])].join("_");
}

/**
 * Reads a token that a node sent.
 * @returns the name it was made for, or undefined when it is malformed or was not made under this pepper
 */
export async function readNodeToken(
  text: string,
  pepper: string,
): Promise<{ readonly nodeName: string } | undefined> {
  assert(pepper.length > 0, "the key pepper is empty");
  const [, nodeName, secret, mac] = SHAPE.exec(text) ?? [];
  if (!nodeName || !secret || !mac) return undefined;
  const expected = await macText(pepper, [nodeName, secret]);
  if (!equalsConstantTime(encoder.encode(mac), encoder.encode(expected))) return undefined;
  return { nodeName };
}

async function macText(pepper: string, fields: readonly string[]): Promise<string> {
  return base32Encode((await macFields(pepper, MAC_DOMAIN, fields)).subarray(0, MAC_BYTES));
}
