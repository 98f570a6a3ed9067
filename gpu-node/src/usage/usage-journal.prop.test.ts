// Drives the journal with random histories and kills: the files are copied while the journal is open, as a kill -9
// leaves them, and also with the write-ahead log cut inside the last commit. A naive model says what must be there.
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageJournal } from "./usage-journal.ts";

const FILE = "usage-journal.sqlite";
const WAL = `${FILE}-wal`;

interface Expected {
  readonly epoch: number;
  readonly tenant: string;
  computed: number;
  output: number;
  reason: string | null;
}

type Command =
  | { readonly kind: "accept"; readonly tenants: readonly number[] }
  | { readonly kind: "step"; readonly picks: readonly number[]; readonly ends: readonly boolean[] }
  | { readonly kind: "ack"; readonly upTo: number }
  | { readonly kind: "crash" };

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant("accept" as const),
    tenants: fc.array(fc.nat(2), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant("step" as const),
    picks: fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 4 }),
    ends: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant("ack" as const), upTo: fc.integer({ min: 1, max: 8 }) }),
  fc.constant({ kind: "crash" as const }),
);

function copyFiles(from: string, to: string): void {
  for (const name of [FILE, WAL]) {
    if (existsSync(join(from, name))) copyFileSync(join(from, name), join(to, name));
  }
}

interface StoredRow {
  readonly epoch: number;
  readonly tenant_id: string;
  readonly seq: number;
  readonly request_id: string;
  readonly finish_reason: string;
  readonly computed_prompt_tokens: number;
  readonly output_tokens: number;
  readonly acked_at_ms: number | null;
}

function storedRows(folder: string): StoredRow[] {
  const reader = new Database(join(folder, FILE), { readonly: true });
  const rows = reader.prepare<[], StoredRow>("SELECT * FROM usage_records ORDER BY position").all();
  reader.close();
  return rows;
}

class World {
  readonly root = mkdtempSync(join(tmpdir(), "fairlane-journal-prop-"));
  readonly expected = new Map<string, Expected>();
  readonly live = new Map<string, number>();
  nowMs = 1_000;
  boots = 0;
  folder = "";
  journal: UsageJournal;

  constructor() {
    this.journal = this.#boot(undefined);
  }

  #boot(from: string | undefined): UsageJournal {
    this.boots += 1;
    this.folder = mkdtempSync(join(this.root, "boot-"));
    if (from !== undefined) copyFiles(from, this.folder);
    const clock = { nowMs: () => this.nowMs };
    return new UsageJournal({ folder: this.folder, nodeId: "node-a", clock });
  }

  apply(one: Command): void {
    this.nowMs += 7;
    if (one.kind === "accept") this.#accept(one.tenants);
    else if (one.kind === "step") this.#step(one.picks, one.ends);
    else if (one.kind === "ack") this.#ack(one.upTo);
    else this.crash();
  }

  #accept(tenants: readonly number[]): void {
    const requests = tenants.map((tenant, index) => ({
      requestId: `req_${this.boots}_${this.nowMs}_${index}`,
      attempt: 1,
      tenantId: `ten_${tenant}`,
      projectId: "p",
      keyId: "k",
      model: "m",
      priceVersion: "v",
      promptTokens: 5,
      receivedAtMs: this.nowMs,
    }));
    const keys = this.journal.accept(requests);
    for (const [index, { requestId, tenantId: tenant }] of requests.entries()) {
      this.live.set(requestId, keys[index] ?? 0);
      const epoch = this.journal.epoch;
      this.expected.set(requestId, { epoch, tenant, computed: 0, output: 0, reason: null });
    }
  }

  #step(picks: readonly number[], ends: readonly boolean[]): void {
    const ids = [...this.live.keys()];
    const progress = [];
    for (const [index, pick] of picks.entries()) {
      const id = ids[pick];
      const one = id === undefined ? undefined : this.expected.get(id);
      if (id === undefined || one === undefined) continue;
      one.computed += 2;
      one.output += pick;
      one.reason = ends[index] === true ? "stop" : null;
      progress.push({
        key: this.live.get(id) ?? 0,
        counts: {
          cachedTokens: 0,
          computedPromptTokens: one.computed,
          outputTokens: one.output,
          queueMs: 1,
          ttftMs: null,
        },
        finishReason: one.reason === null ? null : ("stop" as const),
      });
      if (one.reason !== null) this.live.delete(id);
    }
    this.journal.commitStep(progress);
  }

  #ack(upTo: number): void {
    const batch = this.journal.pending(0, upTo);
    if (!batch) return;
    const highest = new Map<string, number>();
    for (const record of batch.records) highest.set(record.tenant_id, record.seq);
    const watermarks = [...highest].map(([tenant_id, seq]) => ({ tenant_id, seq }));
    this.journal.ack(batch.epoch, watermarks);
  }

  crash(): void {
    const old = this.journal;
    for (const one of this.expected.values()) one.reason ??= "node_lost";
    this.live.clear();
    this.nowMs += 1_000;
    this.journal = this.#boot(this.folder);
    old.close();
  }

  check(): void {
    const rows = storedRows(this.folder);
    const ended = [...this.expected].filter(([, one]) => one.reason !== null);
    expect(new Map(rows.map((row) => [row.request_id, factsOfRow(row)]))).toEqual(
      new Map(ended.map(([id, one]) => [id, one])),
    );
    expect(rows).toHaveLength(ended.length);
    expectGapFree(rows);
    const unacked = rows.filter((row) => row.acked_at_ms === null);
    expect(this.journal.unackedRecords).toBe(unacked.length);
  }

  dispose(): void {
    this.journal.close();
    rmSync(this.root, { recursive: true, force: true });
  }
}

function factsOfRow(row: StoredRow): Expected {
  return {
    epoch: row.epoch,
    tenant: row.tenant_id,
    computed: row.computed_prompt_tokens,
    output: row.output_tokens,
    reason: row.finish_reason,
  };
}

function expectGapFree(rows: readonly StoredRow[]): void {
  const last = new Map<string, number>();
  for (const { epoch, tenant_id: tenant, seq } of rows) {
    expect(seq).toBe((last.get(`${epoch} ${tenant}`) ?? 0) + 1);
    last.set(`${epoch} ${tenant}`, seq);
  }
}

describe("UsageJournal under kills", () => {
  it("keeps every accepted request exactly once with its committed counts", () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 25 }), (commands) => {
        const world = new World();
        try {
          for (const one of commands) {
            world.apply(one);
            world.check();
          }
          world.crash();
          world.check();
        } finally {
          world.dispose();
        }
      }),
      { numRuns: 40 },
    );
  });

  it("recovers the state before or after a commit that was cut in the middle", () => {
    fc.assert(
      fc.property(
        fc.array(command, { minLength: 2, maxLength: 10 }),
        fc.nat(999),
        (commands, cut) => {
          const world = new World();
          try {
            const last = commands.at(-1);
            for (const one of commands.slice(0, -1)) world.apply(one);
            const before = structuredClone(world.expected);
            const bytesBefore = statSync(join(world.folder, WAL)).size;
            const folder = world.folder;
            if (last && last.kind !== "crash") world.apply(last);
            const torn = mkdtempSync(join(world.root, "torn-"));
            copyFiles(folder, torn);
            const grownBytes = statSync(join(torn, WAL)).size - bytesBefore;
            if (grownBytes > 0) {
              truncateSync(join(torn, WAL), bytesBefore + Math.floor((grownBytes * cut) / 1_000));
            }
            const recovered = new UsageJournal({
              folder: torn,
              nodeId: "node-a",
              clock: { nowMs: () => world.nowMs },
            });
            recovered.close();
            const rows = storedRows(torn);
            const facts = new Map(rows.map((row) => [row.request_id, factsOfRow(row)]));
            expect(rows).toHaveLength(facts.size);
            expectGapFree(rows);
            expect([closed(before), closed(world.expected)]).toContainEqual(facts);
          } finally {
            world.dispose();
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

function closed(expected: ReadonlyMap<string, Expected>): Map<string, Expected> {
  return new Map(
    [...expected].map(([id, one]) => [id, { ...one, reason: one.reason ?? "node_lost" }]),
  );
}
