// Batches through the official client: a file in, answers and errors out, at half the price, for nobody else.
import { isLongRun } from "@fairlane/testkit";
import { readFile } from "node:fs/promises";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fleet } from "./platform/fleet.ts";
import { killWorkerd, workerdPids } from "./platform/kill-workerd.ts";
import { eventually } from "./platform/platform.ts";

// In full enough for hundreds of rounds; 50,000 is the most that a batch may have.
const LINES = isLongRun() ? 12_000 : 500;
const LINES_TIMEOUT_MS = LINES * 120;
/** Of the runtime with both scripts, far below what a few hundred lines in memory at once would make it. */
const RUNTIME_BYTES_MAX = 512 * 1024 * 1024;

const SCOPES = ["inference", "files", "batches"];

interface Tenant {
  readonly tenantId: string;
  readonly openai: OpenAI;
}

let fleet: Fleet;
let owner: Tenant;
let other: Tenant;

async function tenant(name: string): Promise<Tenant> {
  const limits = { requests_per_minute: 1_000_000, parallel_requests: 1_000 };
  const { tenantId } = await fleet.admin.createTenant(name, limits);
  const { apiKey } = await fleet.admin.createKey(tenantId, { scopes: SCOPES });
  const baseURL = `${fleet.edge.edgeUrl}/v1`;
  return { tenantId, openai: new OpenAI({ apiKey, baseURL, maxRetries: 0 }) };
}

beforeAll(async () => {
  fleet = await Fleet.start(["batch-1"]);
  [owner, other] = [await tenant("owner"), await tenant("other")];
});
afterAll(() => fleet[Symbol.asyncDispose]());

type Endpoint = OpenAI.BatchCreateParams["endpoint"];

const line = (customId: string, url: Endpoint, body: object) =>
  JSON.stringify({ custom_id: customId, method: "POST", url, body });
const chat = (customId: string, body: object = {}) =>
  line(customId, "/v1/chat/completions", {
    messages: [{ role: "user", content: `Say ${customId}.` }],
    max_tokens: 4,
    ...body,
  });

async function begin(
  lines: readonly string[],
  endpoint: Endpoint = "/v1/chat/completions",
): Promise<OpenAI.Batch> {
  const file = await toFile(Buffer.from(lines.join("\n")), "in.jsonl");
  const { id } = await owner.openai.files.create({ file, purpose: "batch" });
  return owner.openai.batches.create({
    input_file_id: id,
    endpoint,
    completion_window: "24h",
    metadata: { job: "nightly" },
  });
}

async function ended(id: string): Promise<OpenAI.Batch> {
  return eventually(`the end of ${id}`, async () => {
    const batch = await owner.openai.batches.retrieve(id);
    return ["completed", "failed", "cancelled", "expired"].includes(batch.status)
      ? batch
      : undefined;
  });
}

interface OutputLine {
  readonly custom_id: string;
  readonly response: {
    readonly status_code: number;
    readonly request_id: string;
    readonly body: Record<string, unknown>;
  } | null;
  readonly error: { readonly code: string } | null;
}

async function linesOf(fileId: string | null | undefined): Promise<OutputLine[]> {
  const text = await (await owner.openai.files.content(fileId ?? "")).text();
  return text
    .trimEnd()
    .split("\n")
    .map((one) => JSON.parse(one) as OutputLine);
}

/** The most memory that the runtime has had since its start. */
async function peakBytes(): Promise<number> {
  const peaks = await Promise.all(
    (await workerdPids()).map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return 1_024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]);
    }),
  );
  return Math.max(...peaks);
}

const PRICED = `
SELECT request_id, billed_prompt_tokens AS input, billed_cached_tokens AS cached,
  billed_output_tokens AS output, billed_nano_usd AS cost
FROM ledger_entries WHERE tenant_id = ? AND request_id LIKE 'batch_%' ORDER BY request_id`;

describe("a batch", () => {
  it("answers its lines, tells what is wrong with each, and costs half", async () => {
    const begun = await begin([chat("one"), "{", chat("two", { top_p: 7 }), chat("three")]);
    expect(begun).toMatchObject({ object: "batch", metadata: { job: "nightly" }, errors: null });
    const batch = await ended(begun.id);
    expect(batch).toMatchObject({
      status: "completed",
      request_counts: { total: 4, completed: 2, failed: 2 },
    });
    const answers = await linesOf(batch.output_file_id);
    expect(answers.map((one) => [one.custom_id, one.response?.status_code])).toEqual([
      ["one", 200],
      ["three", 200],
    ]);
    expect(answers[0]?.response?.body).toMatchObject({
      object: "chat.completion",
      model: "tiny-llama",
      usage: { completion_tokens: 4 },
    });
    expect(await linesOf(batch.error_file_id)).toMatchObject([
      { custom_id: null, response: null, error: { code: "invalid_json" } },
      { custom_id: "two", response: { status_code: 400 }, error: null },
    ]);
    const rows = await eventually("both ledger entries", async () => {
      const found = await fleet.rows(PRICED, owner.tenantId);
      return found.length === 2 ? found : undefined;
    });
    for (const row of rows) {
      const [input, cached, output] = [Number(row["input"]), Number(row["cached"]), 4];
      expect(row["output"]).toBe(output);
      // 100, 50 and 400 nano-USD a token, halved.
      expect(row["cost"]).toBe((input * 100 + cached * 50 + output * 400) / 2);
    }
  });

  it.each([
    ["/v1/completions" as const, { prompt: "Once", max_tokens: 2 }, "text_completion"],
    ["/v1/embeddings" as const, { input: ["one", "two"] }, "list"],
  ])("runs %s", async (endpoint, body, object) => {
    const { id } = await begin([line("a", endpoint, body)], endpoint);
    const batch = await ended(id);
    expect(batch.request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
    const [answer] = await linesOf(batch.output_file_id);
    expect(answer?.response?.body).toMatchObject({ object });
  });

  it("is cancelled with what is done, and listed", async () => {
    const lines = Array.from({ length: 200 }, (_, index) => chat(`l${index}`, { max_tokens: 64 }));
    const { id } = await begin(lines);
    await eventually("some lines to be done", async () => {
      const { request_counts: counts } = await owner.openai.batches.retrieve(id);
      return (counts?.completed ?? 0) > 0 ? true : undefined;
    });
    const cancelling = await owner.openai.batches.cancel(id);
    expect(cancelling.status).toBe("cancelling");
    const batch = await ended(id);
    expect(batch.status).toBe("cancelled");
    const done = batch.request_counts?.completed ?? 0;
    expect(done).toBeLessThan(200);
    expect(await linesOf(batch.output_file_id)).toHaveLength(done);
    const listed = await owner.openai.batches.list({ limit: 1 });
    expect(listed.data.map((one) => one.id)).toEqual([id]);
  });

  it("is not there for another tenant, nor is its input", async () => {
    const { id, input_file_id: inputId } = await begin([chat("mine")]);
    const notFound = { status: 404, code: "not_found" };
    const { batches } = other.openai;
    await expect(batches.retrieve(id)).rejects.toMatchObject(notFound);
    await expect(batches.cancel(id)).rejects.toMatchObject(notFound);
    expect((await batches.list()).data).toEqual([]);
    const stolen = batches.create({
      input_file_id: inputId,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
    });
    await expect(stolen).rejects.toMatchObject(notFound);
    const batch = await ended(id);
    const theirs = other.openai.files.content(batch.output_file_id ?? "");
    await expect(theirs).rejects.toMatchObject(notFound);
  });

  it(
    `of ${LINES} lines has each once, though the hub is killed in the middle`,
    async () => {
      const lines = Array.from({ length: LINES }, (_, index) =>
        chat(`l${index}`, { max_tokens: 1 }),
      );
      const { id } = await begin(lines);
      await eventually(
        "a third of the lines",
        async () => {
          const { request_counts: counts } = await owner.openai.batches.retrieve(id);
          return (counts?.completed ?? 0) > LINES / 3 ? true : undefined;
        },
        LINES_TIMEOUT_MS,
      );
      const peakBeforeBytes = await peakBytes();
      await killWorkerd(fleet.edge.edgeUrl);
      const batch = await eventually(
        "its end",
        async () => {
          const now = await owner.openai.batches.retrieve(id).catch(() => undefined);
          return now?.status === "completed" ? now : undefined;
        },
        LINES_TIMEOUT_MS,
      );
      expect(batch.request_counts).toEqual({ total: LINES, completed: LINES, failed: 0 });
      const answers = await linesOf(batch.output_file_id);
      expect(answers.map((one) => one.custom_id)).toEqual(lines.map((_, index) => `l${index}`));
      const isWhole = ({ response }: OutputLine) => response?.status_code === 200;
      expect(answers.every(isWhole)).toBe(true);
      // A line that ran before the kill and again after it has an entry of each run, and pays for its one token once.
      const billed = await eventually(
        "an entry of each line",
        async () => {
          const rows = await fleet.rows(PRICED, owner.tenantId);
          const own = rows.filter((row) => String(row["request_id"]).startsWith(`${id}-`));
          const requests = new Set(own.map((row) => row["request_id"]));
          return requests.size === LINES ? own : undefined;
        },
        LINES_TIMEOUT_MS,
      );
      expect(billed.reduce((sum, row) => sum + Number(row["output"]), 0)).toBe(LINES);
      for (const bytes of [peakBeforeBytes, await peakBytes()]) {
        expect(bytes).toBeLessThan(RUNTIME_BYTES_MAX);
      }
    },
    4 * LINES_TIMEOUT_MS,
  );
});
