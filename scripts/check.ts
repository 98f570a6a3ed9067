// Owns `npm run check`: format, lint, types and tidy rules over the whole tree. Every step runs, so that one call
// shows all that is wrong; `--fix` formats instead of complaining.
import { findClangFormat, nativeSources } from "./clang-format.ts";
import { inCi, runQuietly, type ToolRun } from "./run-quietly.ts";

interface Step {
  readonly name: string;
  run(fix: boolean): Promise<ToolRun | "skipped">;
}

async function checkNativeFormat(fix: boolean): Promise<ToolRun | "skipped"> {
  const files = await nativeSources();
  const clangFormat = await findClangFormat();
  if (clangFormat !== undefined) {
    return runQuietly(clangFormat, [...(fix ? ["-i"] : ["--dry-run", "-Werror"]), ...files]);
  }
  const reason = `clang-format could not be fetched with pip: ${files.length} files were not checked`;
  if (inCi()) return { exitCode: 1, log: [reason] };
  process.stderr.write(`SKIPPED native format: ${reason}\n`);
  return "skipped";
}

const STEPS: readonly Step[] = [
  { name: "format", run: (fix) => runQuietly("prettier", [fix ? "--write" : "--check", "."]) },
  { name: "native format", run: checkNativeFormat },
  { name: "lint", run: () => runQuietly("oxlint", ["--format=unix"]) },
  { name: "types", run: () => runQuietly("tsc", ["-b"]) },
  {
    name: "tidy",
    run: () => runQuietly("vitest", ["run", "--project", "unit", "test/tidy"]),
  },
];

async function main(): Promise<void> {
  const fix = process.argv.includes("--fix");
  let failureCount = 0;
  let skippedCount = 0;
  for (const step of STEPS) {
    const startedMs = performance.now();
    const result = await step.run(fix);
    if (result === "skipped") {
      skippedCount += 1;
      continue;
    }
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const verdict = result.exitCode === 0 ? "ok" : "FAILED";
    process.stdout.write(`${step.name.padEnd(14)} ${verdict.padEnd(6)} ${seconds} s\n`);
    if (result.exitCode === 0) continue;
    failureCount += 1;
    process.stdout.write(`${result.log.join("\n")}\n`);
  }
  const skipped = skippedCount > 0 ? `, ${skippedCount} skipped` : "";
  process.stdout.write(
    `check: ${STEPS.length - failureCount - skippedCount} ok, ${failureCount} failed${skipped}\n`,
  );
  if (failureCount > 0) process.exitCode = 1;
}

await main();
