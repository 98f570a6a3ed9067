// One batch: reads its input some lines at a time, runs them in rounds, keeps what they came to, and writes the files of
// answers and errors when all is done. Everything goes on from the alarm: a restart repeats at most the round that ran,
// under the same request ids, so nothing is billed twice. Invariant: until a batch has ended, an alarm is set or running.
import { DurableObject } from "cloudflare:workers";
import {
  AppError,
  type BatchRunRpc,
  type BatchSpec,
  type BatchStatus,
  type BatchView,
} from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";
import { BATCH_LINES_MAX, BATCH_PAUSE_MS } from "./limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { retryPauseMs } from "../retry.ts";
import { systemClock } from "../system-clock.ts";
import { filesOf, inputOf } from "./batch-files.ts";
import { BatchStore, type InputPlace } from "./batch-store.ts";
import { countLines } from "./read-lines.ts";
import { runRound } from "./run-round.ts";
import { writeFiles } from "./write-files.ts";

const START: InputPlace = { byte: 0, lineIndex: 0 };
const ENDED: ReadonlySet<BatchStatus> = new Set(["completed", "failed", "expired", "cancelled"]);

export class BatchRun extends DurableObject<HubEnv> implements BatchRunRpc {
  readonly #store: BatchStore;
  #failureCount = 0;

  constructor(ctx: DurableObjectState, env: HubEnv) {
    super(ctx, env);
    this.#store = new BatchStore(ctx.storage);
    // A restart goes on by itself, also when the alarm that ran is not repeated.
    const known = this.#store.read();
    if (known && !ENDED.has(known.view.status)) void ctx.storage.setAlarm(systemClock.nowMs());
  }

  async begin(spec: BatchSpec): Promise<BatchView> {
    const known = this.#store.read();
    if (known) return known.view;
    const view: BatchView = {
      spec,
      status: "validating",
      reachedAtMs: { validating: spec.createdAtMs },
      totalCount: 0,
      completedCount: 0,
      failedCount: 0,
      outputFileId: null,
      errorFileId: null,
      failure: null,
    };
    this.#store.write(view, START);
    await this.ctx.storage.setAlarm(systemClock.nowMs());
    return view;
  }

  async view(): Promise<BatchView | null> {
    return this.#store.read()?.view ?? null;
  }

  async cancel(): Promise<BatchView | null> {
    const known = this.#store.read();
    if (!known) return null;
    const { view, place } = known;
    if (view.status !== "validating" && view.status !== "in_progress") return view;
    const cancelling = reached(view, "cancelling");
    this.#store.write(cancelling, place);
    // A round that runs finds it when it ends; a pause between two is cut short.
    await this.ctx.storage.setAlarm(systemClock.nowMs());
    return cancelling;
  }

  async erase(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    // A round that runs finds that the batch is gone.
    this.#store.createTables();
  }

  /** One step of the batch. Never throws: the platform gives up on alarms that fail again and again. */
  override async alarm(): Promise<void> {
    try {
      const pauseMs = await this.#step().catch((error: unknown) => {
        // Trying again does not mend it.
        if (!(error instanceof AppError) || error.value.code !== "file_damaged") throw error;
        return this.#fail("file_damaged", error.message);
      });
      this.#failureCount = 0;
      if (pauseMs !== null) await this.ctx.storage.setAlarm(systemClock.nowMs() + pauseMs);
    } catch (error) {
      this.#failureCount += 1;
      const failureCount = this.#failureCount;
      logEvent("warn", "batch_step_failed", { failureCount, reason: reasonOf(error) });
      await this.ctx.storage.setAlarm(systemClock.nowMs() + retryPauseMs(failureCount));
    }
  }

  /** What is next; the pause until what follows, or null once the batch has ended. */
  async #step(): Promise<number | null> {
    const known = this.#store.read();
    if (!known || ENDED.has(known.view.status)) return null;
    const { view, place } = known;
    switch (view.status) {
      case "validating":
        return this.#validate(view);
      case "in_progress": {
        const round = await runRound({ env: this.env, store: this.#store, view, place });
        if (round === "gone") return this.#fail("file_not_found", "The input file is gone.");
        return round === "done" ? this.#finish() : (round.pauseMs ?? BATCH_PAUSE_MS);
      }
      default:
        return this.#finish();
    }
  }

  async #validate(view: BatchView): Promise<number | null> {
    const files = await filesOf(this.env, view.spec.claim.tenantId);
    const lineCount = await countLines(files, inputOf(view.spec));
    if (lineCount === undefined) return this.#fail("file_not_found", "The input file is gone.");
    if (lineCount === 0) return this.#fail("empty_file", "The input file has no lines.");
    if (lineCount > BATCH_LINES_MAX) {
      const message = `The input file has ${lineCount} lines; at most ${BATCH_LINES_MAX} are allowed.`;
      return this.#fail("too_many_lines", message);
    }
    // Cancelled meanwhile.
    const now = this.#store.read()?.view ?? view;
    const counted = { ...now, totalCount: lineCount };
    const isOpen = now.status === "validating";
    this.#store.write(isOpen ? reached(counted, "in_progress") : counted, START);
    return 0;
  }

  #fail(code: string, message: string): null {
    const known = this.#store.read();
    if (known) {
      this.#store.write(
        { ...reached(known.view, "failed"), failure: { code, message } },
        known.place,
      );
    }
    return null;
  }

  /** Writes the files; the end that follows says why no more lines were run. */
  async #finish(): Promise<null> {
    const known = this.#store.read();
    if (!known) return null;
    const { view, place } = known;
    const end = endOf(view);
    const finalizing = end === "completed" ? reached(view, "finalizing") : view;
    this.#store.write(finalizing, place);
    const files = await writeFiles(this.env, this.#store, view.spec);
    this.#store.write({ ...reached(finalizing, end), ...files }, place);
    this.#store.clearLines();
    const { batchId } = view.spec;
    logEvent("info", "batch_ended", { batchId, status: end, lines: view.totalCount });
    return null;
  }
}

function endOf({ status, reachedAtMs, spec }: BatchView): "completed" | "expired" | "cancelled" {
  if (status === "cancelling" || reachedAtMs.cancelling !== undefined) return "cancelled";
  const finalizedMs = reachedAtMs.finalizing ?? systemClock.nowMs();
  return finalizedMs >= spec.expiresAtMs ? "expired" : "completed";
}

function reached(view: BatchView, status: BatchStatus): BatchView {
  const reachedAtMs = { ...view.reachedAtMs, [status]: systemClock.nowMs() };
  return { ...view, status, reachedAtMs };
}
