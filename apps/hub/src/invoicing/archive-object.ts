// Owns the objects of the archive: entries as lines of JSON, compressed, read back before anybody relies on them. They lie
// apart from what is a tenant's own in the bucket, so that what deletes a tenant's data leaves its amounts.
import { assert, toHex } from "@fairlane/base";
import type { ArchivedEntry } from "@fairlane/db";

export interface ArchiveObject {
  readonly objectKey: string;
  readonly objectBytes: number;
  /** Of the lines before they were compressed, hex. */
  readonly sha256: string;
}

/** Where an invoice's archive lies. */
export function archiveFolder(tenantId: string, invoiceId: string): string {
  return `ledger-archive/${tenantId}/${invoiceId}`;
}

/**
 * Writes entries, a line each, and reads them back; rejects unless they are what was written. The object's name has a part of
 * its digest, so that no run overwrites what another one has written.
 */
export async function writeEntries(
  bucket: R2Bucket,
  prefix: string,
  entries: readonly ArchivedEntry[],
): Promise<ArchiveObject> {
  const text = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  const lines = await new Blob([text]).arrayBuffer();
  const sha256 = await digestOf(lines);
  const objectKey = `${prefix}-${sha256.slice(0, 16)}.jsonl.gz`;
  const packed = await through(lines, new CompressionStream("gzip"));
  await bucket.put(objectKey, packed, { httpMetadata: { contentType: "application/gzip" } });
  const stored = await bucket.get(objectKey);
  assert(stored !== null, `${objectKey} is not in the bucket`);
  const read = await through(await stored.arrayBuffer(), new DecompressionStream("gzip"));
  assert((await digestOf(read)) === sha256, `${objectKey} is not what was written`);
  return { objectKey, objectBytes: packed.byteLength, sha256 };
}

async function digestOf(bytes: ArrayBuffer): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

function through(
  bytes: ArrayBuffer,
  transform: CompressionStream | DecompressionStream,
): Promise<ArrayBuffer> {
  return new Response(new Blob([bytes]).stream().pipeThrough(transform)).arrayBuffer();
}
