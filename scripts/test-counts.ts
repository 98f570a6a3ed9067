// Owns the reading of test results: ctest's listing and vitest's JSON report become counts, and the counts become
// the one closing line that people and continuous integration read.
import { z } from "zod";

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const CTEST_LINE = /^\s*\d+\/\d+ Test\s+#\d+: \S+ \.*\s*(Passed|\*{3}\w+)/;

/** Counts the result lines of `ctest`; anything that is neither passed nor skipped has failed. */
export function countCtest(lines: readonly string[]): TestCounts {
  const verdicts = lines.map((line) => CTEST_LINE.exec(line)?.[1]).filter((v) => v !== undefined);
  const passed = verdicts.filter((verdict) => verdict === "Passed").length;
  const skipped = verdicts.filter((verdict) => verdict === "***Skipped").length;
  return { passed, failed: verdicts.length - passed - skipped, skipped };
}

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ status: z.string() })),
    }),
  ),
});

/**
 * Counts the tests of a vitest JSON report whose file name satisfies `matches`. A file that failed to load has no
 * tests and counts as one failure.
 */
export function countVitest(report: unknown, matches: (file: string) => boolean): TestCounts {
  const files = reportSchema.parse(report).testResults.filter((file) => matches(file.name));
  const statuses = files.flatMap((file) => file.assertionResults.map((test) => test.status));
  const passed = statuses.filter((status) => status === "passed").length;
  const failedTests = statuses.filter((status) => status === "failed").length;
  const failedFiles = files.filter(
    (file) =>
      file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  ).length;
  const skipped = statuses.length - passed - failedTests;
  return { passed, failed: failedTests + failedFiles, skipped };
}

/** Names of the files none of whose tests ran, because something that they need is missing. */
export function skippedFiles(report: unknown): string[] {
  const files = reportSchema.parse(report).testResults;
  return files
    .filter(({ assertionResults: tests }) => tests.length > 0)
    .filter(({ assertionResults: tests }) =>
      tests.every(({ status }) => status !== "passed" && status !== "failed"),
    )
    .map((file) => file.name);
}

/** Adds counts up. */
export function sumCounts(parts: readonly TestCounts[]): TestCounts {
  const sum = (pick: (part: TestCounts) => number) =>
    parts.reduce((all, part) => all + pick(part), 0);
  return {
    passed: sum((part) => part.passed),
    failed: sum((part) => part.failed),
    skipped: sum((part) => part.skipped),
  };
}

/** `12 passed, 0 failed, 1 skipped`. */
export function closingLine(counts: TestCounts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}
