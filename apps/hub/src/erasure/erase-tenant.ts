// Owns the steps of one tenant's erasure. Each is bounded, may be repeated, and says what comes next; what is written late
// by work that was ended (a file, an answer) is taken out again before the account is emptied. Invariant: nothing of the
// ledger is touched, and the account is emptied only once it has no entry that the ledger lacks.
import {
  dropBatches,
  eraseRegister,
  redactAudit,
  someBatches,
  type ControlDb,
  type Erasure,
  type ErasureCounts,
} from "@fairlane/db";
import { assert } from "@fairlane/base";
import type { ErasureStanding, ErasureStep } from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";
import { ERASED_BATCHES_MAX, ERASED_PAGES_MAX, ERASURE_SETTLED_EXTRA_MS } from "./limits.ts";
import { objectsOf } from "../objects.ts";
import { eraseObjects } from "./erase-objects.ts";

export interface ErasurePlace {
  readonly env: HubEnv;
  readonly db: ControlDb;
  readonly nowMs: number;
}

/** Where an erasure is after a step; `mayGoOn` is false when it waits or has done enough for now. */
export interface ErasureProgress extends Pick<Erasure, "phase" | "counts"> {
  readonly mayGoOn: boolean;
}

/** The next piece of work of an erasure. */
export async function eraseStep(place: ErasurePlace, erasure: Erasure): Promise<ErasureProgress> {
  const { env, db } = place;
  const { tenantId, phase, counts } = erasure;
  switch (phase) {
    case "account":
      await stepAccount(env, tenantId, "begin");
      return { phase: "objects", counts, mayGoOn: true };
    case "objects":
    case "late_objects": {
      const { deleted, isDone } = await eraseObjects(env, db, tenantId);
      const next = phase === "objects" ? "batches" : "late_register";
      const added = plus(counts, { objects: deleted });
      return { phase: isDone ? next : phase, counts: added, mayGoOn: isDone };
    }
    case "batches":
      return eraseBatches(place, erasure);
    case "register":
    case "late_register":
      return eraseRows(place, erasure);
    case "settling": {
      const isSettled = await hasSettled(place, erasure);
      return { phase: isSettled ? "late_objects" : phase, counts, mayGoOn: isSettled };
    }
    case "emptying":
      // `begin` again, if the account stopped while it was emptied.
      await stepAccount(env, tenantId, "begin");
      await stepAccount(env, tenantId, "finish");
      return { phase: "done", counts, mayGoOn: true };
    case "done":
      return { phase, counts, mayGoOn: false };
  }
}

/** Takes a step of the account's, which restarts itself when it is done. */
async function stepAccount(env: HubEnv, tenantId: string, step: ErasureStep): Promise<void> {
  const account = () => objectsOf(env).account(tenantId);
  const failure = await account()
    .erase(step)
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  const { state } = await account().erase("look");
  const isDone = step === "begin" ? state !== "living" : state === "erased";
  if (!isDone) throw failure ?? new Error(`the account is still ${state} after '${step}'`);
}

async function eraseBatches({ env, db }: ErasurePlace, erasure: Erasure): Promise<ErasureProgress> {
  const { tenantId } = erasure;
  let { counts } = erasure;
  for (let page = 0; page < ERASED_PAGES_MAX; page++) {
    const ids = await someBatches(db, tenantId, ERASED_BATCHES_MAX);
    if (ids.length === 0) return { phase: "register", counts, mayGoOn: true };
    await Promise.all(ids.map((id) => objectsOf(env).batch(id).erase()));
    await dropBatches(db, ids);
    counts = plus(counts, { batches: ids.length });
  }
  return { phase: "batches", counts, mayGoOn: false };
}

async function eraseRows({ db }: ErasurePlace, erasure: Erasure): Promise<ErasureProgress> {
  const { tenantId, phase } = erasure;
  let counts = plus(erasure.counts, await eraseRegister(db, tenantId, phase === "late_register"));
  for (let page = 0; page < ERASED_PAGES_MAX; page++) {
    const redacted = await redactAudit(db, tenantId);
    counts = plus(counts, { auditEntries: redacted });
    const next = phase === "register" ? "settling" : "emptying";
    if (redacted === 0) return { phase: next, counts, mayGoOn: true };
  }
  return { phase, counts, mayGoOn: false };
}

/** True once all usage must have come, and all that came is in the ledger. */
async function hasSettled(
  { env, nowMs }: ErasurePlace,
  { tenantId, requestedAtMs }: Erasure,
): Promise<boolean> {
  const { estimateAfterMs } = hubConfig(env);
  if (nowMs < requestedAtMs + estimateAfterMs + ERASURE_SETTLED_EXTRA_MS) return false;
  const standing: ErasureStanding = await objectsOf(env).account(tenantId).erase("look");
  assert(standing.state !== "living", "an account that settles its last usage is being erased");
  return standing.heldCount === 0 && standing.waitingEntries === 0;
}

function plus(counts: ErasureCounts, added: ErasureCounts): ErasureCounts {
  const sums = { ...counts };
  for (const [kind, count] of Object.entries(added)) sums[kind] = (sums[kind] ?? 0) + count;
  return sums;
}
