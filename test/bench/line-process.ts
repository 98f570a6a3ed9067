// Owns the talk with a bench process that obeys lines: one line out, one line of JSON back, in order. Invariant: a
// process that ends or answers with an error rejects what waits for it.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { z } from "zod";

const greetingSchema = z.record(z.string(), z.union([z.string(), z.number()]));
const timingSchema = z.object({
  seconds: z.number().positive(),
  cpu_seconds: z.number().nonnegative(),
  tokens: z.number().int().positive(),
});

/** What one command took. */
export interface Timing {
  readonly seconds: number;
  readonly tokens: number;
}

export interface LineProcess {
  /** What the process said when it was ready. */
  readonly greeting: Readonly<Record<string, string | number>>;
  /** Runs a command; rejects with what the process said otherwise. */
  run(command: string): Promise<Timing>;
  stop(): Promise<void>;
}

/** Starts `command` and waits for its greeting. */
export async function startLineProcess(
  command: string,
  args: readonly string[],
): Promise<LineProcess> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<never>((_resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with status ${code}`)));
  });
  ended.catch(() => undefined); // an end nobody waits for is stop()'s
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await Promise.race([lines.next(), ended]);
    if (done === true) return ended;
    return JSON.parse(value);
  };
  const greeting = greetingSchema.parse(await next());
  return {
    greeting,
    async run(line) {
      child.stdin.write(`${line}\n`);
      const answer = await next();
      const timing = timingSchema.safeParse(answer);
      if (timing.success) return timing.data;
      throw new Error(`${command} answered "${line}" with ${JSON.stringify(answer)}`);
    },
    async stop() {
      const exit = new Promise((resolve) => child.once("exit", resolve));
      child.stdin.end();
      await exit;
    },
  };
}
