// Owns the alphabet of byte-level BPE: vocabularies spell each byte as one printable character, so that any
// text has a spelling. [GPT-2] encoder: printable Latin-1 stands for itself, the rest follows from U+0100.

const BYTE_COUNT = 256;

function isItself(byte: number): boolean {
  return (
    (byte >= 0x21 && byte <= 0x7e) ||
    (byte >= 0xa1 && byte <= 0xac) ||
    (byte >= 0xae && byte <= 0xff)
  );
}

const BYTE_OF_CHAR: ReadonlyMap<string, number> = new Map(alphabet());

function* alphabet(): Generator<[string, number]> {
  let nextCode = 0x100;
  for (let byte = 0; byte < BYTE_COUNT; byte++) {
    yield [String.fromCharCode(isItself(byte) ? byte : nextCode++), byte];
  }
}

/** The bytes that a vocabulary entry spells, or undefined when a character is not of the alphabet. */
export function byteLevelBytes(spelling: string): Uint8Array | undefined {
  const bytes = new Uint8Array(spelling.length);
  for (let index = 0; index < spelling.length; index++) {
    const byte = BYTE_OF_CHAR.get(spelling.charAt(index));
    if (byte === undefined) return undefined;
    bytes[index] = byte;
  }
  return bytes;
}
