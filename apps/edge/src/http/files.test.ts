// Files and uploads through the official client, over the real account, D1 and bucket: what their owner can do, and that
// another tenant finds none of it.
import { env, exports } from "cloudflare:workers";
import OpenAI, { toFile } from "openai";
import { beforeAll, describe, expect, it } from "vitest";
import { codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";

interface Caller {
  readonly tenantId: string;
  readonly key: string;
  readonly openai: OpenAI;
}

let owner: Caller;
let other: Caller;

async function caller(): Promise<Caller> {
  const { tenantId } = await newTenant();
  const { key } = await newKey(tenantId, { scopes: ["files"] });
  const fetchEdge = (url: RequestInfo | URL, init?: RequestInit) =>
    exports.default.fetch(new Request(url, init));
  const openai = new OpenAI({
    apiKey: key,
    baseURL: "https://edge.test/v1",
    maxRetries: 0,
    fetch: fetchEdge,
    dangerouslyAllowBrowser: true,
  });
  return { tenantId, key, openai };
}

beforeAll(async () => {
  [owner, other] = await Promise.all([caller(), caller()]);
});

const TEXT = '{"custom_id":"a"}\n';
const fileOf = (text: string, name = "in.jsonl") => toFile(new TextEncoder().encode(text), name);
const notFound = { status: 404, code: "not_found" };

async function stored(prefix: string): Promise<readonly string[]> {
  const { objects } = await env.ARTIFACTS.list({ prefix });
  return objects.map(({ key }) => key);
}

describe("a file", () => {
  it("is uploaded, described, read back and deleted by its owner", async () => {
    const { files } = owner.openai;
    const created = await files.create({ file: await fileOf(TEXT), purpose: "batch" });
    expect(created).toEqual({
      id: expect.stringMatching(/^file_/) as string,
      object: "file",
      bytes: 18,
      created_at: expect.any(Number) as number,
      // 30 days later.
      expires_at: created.created_at + 2_592_000,
      filename: "in.jsonl",
      purpose: "batch",
      status: "processed",
    });
    expect(await files.retrieve(created.id)).toEqual(created);
    expect(await (await files.content(created.id)).text()).toBe(TEXT);
    expect(await stored(`${owner.tenantId}/files/`)).toContain(
      `${owner.tenantId}/files/${created.id}`,
    );
    expect(await files.delete(created.id)).toEqual({
      id: created.id,
      object: "file",
      deleted: true,
    });
    await expect(files.retrieve(created.id)).rejects.toMatchObject(notFound);
    expect(await stored(`${owner.tenantId}/files/${created.id}`)).toEqual([]);
  });

  it("is not there for another tenant", async () => {
    const { id } = await owner.openai.files.create({ file: await fileOf(TEXT), purpose: "batch" });
    const theirs = other.openai.files;
    await expect(theirs.retrieve(id)).rejects.toMatchObject(notFound);
    await expect(theirs.content(id)).rejects.toMatchObject(notFound);
    await expect(theirs.delete(id)).rejects.toMatchObject(notFound);
    expect((await theirs.list()).data).toEqual([]);
    expect((await owner.openai.files.retrieve(id)).id).toBe(id);
  });

  it("lies sealed in the bucket, and is refused when somebody changed it there", async () => {
    const secret = "a prompt that nobody else may read ".repeat(4_000);
    const { files } = owner.openai;
    const { id } = await files.create({ file: await fileOf(secret), purpose: "batch" });
    expect(await (await files.content(id)).text()).toBe(secret);
    const key = `${owner.tenantId}/files/${id}`;
    const lying = await (await env.ARTIFACTS.get(key))?.bytes();
    if (lying === undefined) throw new Error("nothing is stored");
    expect(new TextDecoder("latin1").decode(lying)).not.toContain("prompt");
    // A byte of the first chunk: known before anything is told.
    lying[40] = (lying[40] ?? 0) ^ 1;
    await env.ARTIFACTS.put(key, lying);
    await expect(files.content(id)).rejects.toMatchObject({ status: 500, code: "file_damaged" });
    // Another tenant's object in its place opens as little.
    const theirs = await other.openai.files.create({ file: await fileOf(TEXT), purpose: "batch" });
    const moved = await env.ARTIFACTS.get(`${other.tenantId}/files/${theirs.id}`);
    await env.ARTIFACTS.put(key, (await moved?.bytes()) ?? "");
    await expect(files.content(id)).rejects.toMatchObject({ code: "file_damaged" });
  });

  it("is gone after the time that its owner gives it", async () => {
    const { files } = owner.openai;
    const file = await fileOf(TEXT);
    const life = (seconds: number) => ({ anchor: "created_at" as const, seconds });
    const short = await files.create({ file, purpose: "batch", expires_after: life(3_600) });
    expect(short.expires_at).toBe(short.created_at + 3_600);
    for (const seconds of [3_599, 2_592_001]) {
      const asked = files.create({ file, purpose: "batch", expires_after: life(seconds) });
      await expect(asked).rejects.toMatchObject({ status: 400, param: "expires_after.seconds" });
    }
    await env.CONTROL_DB.prepare("UPDATE files SET expires_at_ms = 1 WHERE id = ?")
      .bind(short.id)
      .run();
    await expect(files.retrieve(short.id)).rejects.toMatchObject(notFound);
    await expect(files.content(short.id)).rejects.toMatchObject(notFound);
    const listed = (await files.list()).data.map(({ id }) => id);
    expect(listed).not.toContain(short.id);
  });

  it("is listed in pages, newest or oldest first", async () => {
    const { openai } = await caller();
    const ids: string[] = [];
    for (const name of ["one", "two", "three"]) {
      ids.push(
        (await openai.files.create({ file: await fileOf(TEXT, name), purpose: "batch" })).id,
      );
    }
    const named = async (query: OpenAI.FileListParams) => {
      const listed: string[] = [];
      for await (const file of openai.files.list(query)) listed.push(file.id);
      return listed;
    };
    // Ids of one millisecond have no order of their own.
    const sorted = ids.toSorted();
    expect(await named({ limit: 2, order: "asc" })).toEqual(sorted);
    expect(await named({ limit: 2 })).toEqual(sorted.toReversed());
    expect(await named({ purpose: "batch_output" })).toEqual([]);
    await expect(openai.files.list({ limit: 0 })).rejects.toMatchObject({
      status: 400,
      param: "limit",
    });
  });

  it("has a name that is shown and never used as one", async () => {
    const file = await fileOf(TEXT, "../../etc/passwd");
    const created = await owner.openai.files.create({ file, purpose: "batch" });
    expect(created.filename).toContain("passwd");
    expect(await stored(`${owner.tenantId}/files/${created.id}`)).toHaveLength(1);
  });

  it("is refused with what is wrong", async () => {
    const { openai, key } = owner;
    const file = await fileOf(TEXT);
    const assistants = openai.files.create({ file, purpose: "assistants" });
    await expect(assistants).rejects.toMatchObject({ status: 400, param: "purpose" });
    const form = (fields: Record<string, string | Blob>) => {
      const body = new FormData();
      for (const [name, value] of Object.entries(fields)) body.set(name, value);
      const headers = { authorization: `Bearer ${key}` };
      return exports.default.fetch(
        new Request("https://edge.test/v1/files", { method: "POST", headers, body }),
      );
    };
    const blob = new Blob([TEXT]);
    expect(await codeOf(await form({ purpose: "batch" }))).toBe("missing_required_parameter");
    expect(await codeOf(await form({ file: blob }))).toBe("missing_required_parameter");
    expect(await codeOf(await form({ file: blob, purpose: "batch", color: "red" }))).toBe(
      "unknown_parameter",
    );
    const json = await send("POST", "/v1/files", { credential: key, body: { purpose: "batch" } });
    expect(await codeOf(json)).toBe("invalid_value");
    const large = await form({
      file: new Blob([new Uint8Array(33 * 1024 * 1024)]),
      purpose: "batch",
    });
    expect([large.status, await codeOf(large)]).toEqual([413, "request_too_large"]);
  });

  it("is for keys with the scope", async () => {
    const { key } = await newKey(owner.tenantId, { scopes: ["inference"] });
    const refused = await send("GET", "/v1/files", { credential: key });
    expect([refused.status, await codeOf(refused)]).toEqual([403, "scope_not_allowed"]);
  });
});

describe("an upload", () => {
  const wanted = { bytes: 18, filename: "big.jsonl", mime_type: "text/jsonl", purpose: "batch" };
  const begin = (who: Caller, change: object = {}) =>
    who.openai.uploads.create({ ...wanted, ...change } as OpenAI.UploadCreateParams);
  const part = async (who: Caller, id: string, text: string) =>
    (await who.openai.uploads.parts.create(id, { data: await fileOf(text) })).id;

  it("becomes a file of its parts in the order that is named", async () => {
    const { uploads, files } = owner.openai;
    const upload = await begin(owner);
    expect(upload).toMatchObject({ object: "upload", status: "pending", bytes: 18, file: null });
    const last = await part(owner, upload.id, TEXT.slice(7));
    const first = await part(owner, upload.id, TEXT.slice(0, 7));
    const wrong = uploads.complete(upload.id, { part_ids: [first] });
    await expect(wrong).rejects.toMatchObject({ status: 400, param: "part_ids" });
    const twice = uploads.complete(upload.id, { part_ids: [first, first] });
    await expect(twice).rejects.toMatchObject({ status: 400, param: "part_ids" });
    const completed = await uploads.complete(upload.id, { part_ids: [first, last] });
    expect(completed).toMatchObject({ status: "completed", file: { bytes: 18 } });
    expect(await (await files.content(completed.file?.id ?? "")).text()).toBe(TEXT);
    // Its parts are gone, and so is the upload.
    expect(await stored(`${owner.tenantId}/file-parts/`)).toEqual([]);
    await expect(uploads.cancel(upload.id)).rejects.toMatchObject(notFound);
  });

  it("takes no more than was announced", async () => {
    const upload = await begin(owner);
    await part(owner, upload.id, TEXT.slice(0, 7));
    await expect(part(owner, upload.id, TEXT)).rejects.toMatchObject({
      status: 400,
      param: "data",
    });
    await expect(begin(owner, { bytes: 200 * 1024 ** 2 + 1 })).rejects.toMatchObject({
      status: 400,
      param: "bytes",
    });
  });

  it("is given up with its parts", async () => {
    const upload = await begin(owner);
    const id = await part(owner, upload.id, TEXT);
    expect(await owner.openai.uploads.cancel(upload.id)).toMatchObject({ status: "cancelled" });
    expect(await stored(`${owner.tenantId}/file-parts/${id}`)).toEqual([]);
  });

  it("is not there for another tenant", async () => {
    const upload = await begin(owner);
    const id = await part(owner, upload.id, TEXT);
    const theirs = other.openai.uploads;
    await expect(part(other, upload.id, TEXT)).rejects.toMatchObject(notFound);
    await expect(theirs.complete(upload.id, { part_ids: [id] })).rejects.toMatchObject(notFound);
    await expect(theirs.cancel(upload.id)).rejects.toMatchObject(notFound);
    const { status } = await owner.openai.uploads.complete(upload.id, { part_ids: [id] });
    expect(status).toBe("completed");
  });
});
