// Owns OpenAI's text form of an embedding: base64 of little-endian f32, which is how every machine that runs this holds
// them.

/** The vector as base64. */
export function embeddingText({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}
