// Owns the spelling of SentencePiece vocabularies: U+2581 stands for a space, <0xXX> for a byte that no other piece
// covers, everything else for itself.

/** What pieces spell a space as. */
export const SPM_SPACE = "\u2581";

const BYTE_PIECE = /^<0x([0-9A-F]{2})>$/;

/** The piece of a byte. */
export function bytePiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** The bytes that a piece stands for. */
export function spmBytes(piece: string): Uint8Array {
  const byte = BYTE_PIECE.exec(piece)?.[1];
  if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
  return Buffer.from(piece.replaceAll(SPM_SPACE, " "));
}
