// Owns the content of a version: weights into the bucket in one piece or in parts, checked, and then made usable under
// the digest of what is there. Invariant: the configuration's object, which carries the digest, is written last, so a
// node finds a version only when both files are whole; content that is there is never replaced.
import { toHex } from "@fairlane/base";
import {
  finishAdapterVersion,
  listUploadParts,
  putUploadPart,
  type AdapterVersion,
} from "@fairlane/db";
import { adapterDigest, adapterObjects, AppError, type PeftConfig } from "@fairlane/protocol";
import { storeStream } from "../artifacts/store-stream.ts";
import type { EdgeDependencies } from "../edge-context.ts";
import { UPLOAD_PARTS_MAX } from "../limits.ts";
import { WeightsWatch } from "./watch-weights.ts";

/** A version and its owner. */
export interface OwnVersion {
  readonly tenantId: string;
  readonly version: AdapterVersion;
}

type Body = ReadableStream<Uint8Array> | null;

/** Stores weights that come in one body; returns the digest. Throws AppError. */
export async function storeWhole(
  deps: EdgeDependencies,
  own: OwnVersion,
  body: Body,
): Promise<string> {
  const { version } = own;
  const { artifacts } = deps.config;
  const { weights } = keysOf(own);
  const watch = new WeightsWatch(version.weightsBytes);
  const source = {
    body,
    bytes: version.weightsBytes,
    heard: (part: Uint8Array) => watch.heard(part),
  };
  const { stored, sha256 } = await storeStream(source, (readable) =>
    artifacts.put(weights, readable, { onlyIf: { etagDoesNotMatch: "*" } }),
  );
  if (stored === null) throw contentIsThere();
  try {
    watch.ended();
  } catch (error) {
    await artifacts.delete(weights);
    throw error;
  }
  return finish(deps, own, sha256);
}

/** Stores one part; it may come again. Throws AppError. */
export async function storePart(
  deps: EdgeDependencies,
  own: OwnVersion,
  part: { readonly number: number; readonly body: Body },
): Promise<void> {
  const { version } = own;
  const { uploadId, partBytes } = version;
  if (uploadId === null || partBytes === null) {
    throw new AppError(
      "invalid_value",
      "This version's content is sent in one piece, to '/content'.",
    );
  }
  const partCount = Math.ceil(version.weightsBytes / partBytes);
  if (part.number < 1 || part.number > partCount) {
    const message = `The parts of this version are 1 to ${partCount}.`;
    throw new AppError("invalid_value", message, { param: "part" });
  }
  const bytes = Math.min(partBytes, version.weightsBytes - (part.number - 1) * partBytes);
  const upload = deps.config.artifacts.resumeMultipartUpload(keysOf(own).weights, uploadId);
  const { stored } = await storeStream({ body: part.body, bytes }, (readable) =>
    upload.uploadPart(part.number, readable),
  );
  const row = { objectId: version.id, partNumber: part.number, etag: stored.etag };
  await putUploadPart(deps.controlDb, row);
}

/** Joins the parts and checks the whole, or checks again what an interrupted upload left; returns the digest. */
export async function completeWeights(deps: EdgeDependencies, own: OwnVersion): Promise<string> {
  const { version } = own;
  const { artifacts } = deps.config;
  const { weights } = keysOf(own);
  if ((await artifacts.head(weights)) === null) await joinParts(deps, own);
  const object = await artifacts.get(weights);
  if (object === null) {
    throw new AppError("invalid_value", "The weights have not been uploaded yet.");
  }
  const watch = new WeightsWatch(version.weightsBytes);
  const hash = new crypto.DigestStream("SHA-256");
  const writer = hash.getWriter();
  // Of a file that is refused nobody waits for these.
  for (const end of [hash.digest, writer.closed]) end.catch(() => undefined);
  try {
    for await (const chunk of object.body as ReadableStream<Uint8Array>) {
      watch.heard(chunk);
      await writer.write(chunk);
    }
    watch.ended();
  } catch (error) {
    await Promise.allSettled([writer.abort(error), artifacts.delete(weights)]);
    throw error;
  }
  await writer.close();
  const sha256 = toHex(new Uint8Array(await hash.digest));
  return finish(deps, own, sha256);
}

async function joinParts(deps: EdgeDependencies, own: OwnVersion): Promise<void> {
  const { version } = own;
  const { uploadId, partBytes } = version;
  if (uploadId === null || partBytes === null) return;
  const parts = await listUploadParts(deps.controlDb, version.id, UPLOAD_PARTS_MAX);
  const partCount = Math.ceil(version.weightsBytes / partBytes);
  if (parts.length < partCount) {
    throw new AppError("invalid_value", `${parts.length} of ${partCount} parts have arrived.`);
  }
  const upload = deps.config.artifacts.resumeMultipartUpload(keysOf(own).weights, uploadId);
  await upload.complete(parts.map(({ partNumber, etag }) => ({ partNumber, etag })));
}

async function finish(
  deps: EdgeDependencies,
  own: OwnVersion,
  weightsSha256: string,
): Promise<string> {
  const { id, config: text } = own.version;
  // Written by the route that made the version.
  const config = JSON.parse(text) as PeftConfig;
  const digest = await adapterDigest({ config, weightsSha256 });
  await deps.config.artifacts.put(keysOf(own).config, text, { customMetadata: { digest } });
  await finishAdapterVersion(deps.controlDb, id, digest);
  return digest;
}

function keysOf({ tenantId, version }: OwnVersion) {
  return adapterObjects({ tenantId, versionId: version.id });
}

function contentIsThere(): AppError {
  return new AppError(
    "already_exists",
    "The content of this version is there; versions never change.",
  );
}
