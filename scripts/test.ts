// Owns `npm test`: the same set-up as dev (native core, default model), then the native tests, then every vitest
// project, and one closing line over all of them. `npm test -- FILTER` runs the vitest files that match only.
import { mkdir, readFile, rm } from "node:fs/promises";
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import path from "node:path";
import { buildNative } from "./build-native.ts";
import { checkGoldens } from "./check-goldens.ts";
import { ensureDefaultModel } from "./default-model.ts";
import { inCi, runQuietly } from "./run-quietly.ts";
import {
  closingLine,
  countCtest,
  countVitest,
  skippedFiles,
  sumCounts,
  type TestCounts,
} from "./test-counts.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const BUILD_DIR = path.join(ROOT, "gpu-node/build");
const REPORT = path.join(ROOT, ".cache/vitest-report.json");
/** A mistake in a project's configuration runs no Worker test and still passes; fewer than these is a failure. */
const HUB_TESTS_MIN = 90;
const EDGE_TESTS_MIN = 80;

const ONE_FAILURE: TestCounts = { passed: 0, failed: 1, skipped: 0 };

function fail(sentence: string): TestCounts {
  process.stdout.write(`FAILED: ${sentence}\n`);
  return ONE_FAILURE;
}

/** Gets the default model; without it the tests that need it skip themselves, which CI does not accept. */
async function setUpModel(): Promise<TestCounts[]> {
  try {
    await ensureDefaultModel();
    return [];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (inCi()) return [fail(`the default model could not be had: ${reason}`)];
    process.stdout.write(`SKIPPED: tests on the default model (${reason})\n`);
    return [];
  }
}

async function runNativeTests(): Promise<TestCounts> {
  const jobs = String(availableParallelism());
  const target = ["--target", "native_tests", "--parallel", jobs];
  const build = await runQuietly("cmake", ["--build", BUILD_DIR, ...target]);
  if (build.exitCode !== 0) {
    process.stdout.write(`${build.log.slice(-40).join("\n")}\n`);
    return fail("the native tests do not build");
  }
  const run = await runQuietly("ctest", ["--test-dir", BUILD_DIR, "--output-on-failure"]);
  const counts = countCtest(run.log);
  process.stdout.write(`native tests: ${closingLine(counts)}\n`);
  if (run.exitCode === 0 && counts.passed > 0) return counts;
  process.stdout.write(`${run.log.join("\n")}\n`);
  return counts.failed > 0 ? counts : fail("ctest ran no test or ended badly");
}

async function runVitest(
  filters: readonly string[],
): Promise<{ exitCode: number; report: unknown }> {
  await mkdir(path.dirname(REPORT), { recursive: true });
  await rm(REPORT, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${REPORT}`];
  const child = spawn("vitest", ["run", ...reporters, ...filters], { cwd: ROOT, stdio: "inherit" });
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
  const text = await readFile(REPORT, "utf8").catch(() => undefined);
  return { exitCode, report: text === undefined ? undefined : JSON.parse(text) };
}

function checkWorkerTests(report: unknown): TestCounts[] {
  const floors = [
    { folder: "/apps/hub/", minimum: HUB_TESTS_MIN },
    { folder: "/apps/edge/", minimum: EDGE_TESTS_MIN },
  ];
  return floors.flatMap(({ folder, minimum }) => {
    const { passed } = countVitest(report, (file) => file.includes(folder));
    if (passed >= minimum) return [];
    return [fail(`only ${passed} Worker tests of ${folder} passed, at least ${minimum} must`)];
  });
}

/** A file that was skipped whole lacks the model or the native core; CI has both, so there it is a failure. */
function checkSkips(report: unknown): TestCounts[] {
  return skippedFiles(report).flatMap((file) => {
    const name = path.relative(ROOT, file);
    if (inCi()) return [fail(`every test of ${name} was skipped`)];
    process.stdout.write(`SKIPPED: every test of ${name}\n`);
    return [];
  });
}

async function runProjects(filters: readonly string[]): Promise<TestCounts[]> {
  const { exitCode, report } = await runVitest(filters);
  if (report === undefined) return [fail("vitest wrote no report")];
  const counts = countVitest(report, () => true);
  const floors = filters.length === 0 ? checkWorkerTests(report) : [];
  const unseen = exitCode !== 0 && counts.failed === 0;
  const errors = unseen ? [fail("vitest ended with an error outside a test")] : [];
  return [counts, ...floors, ...checkSkips(report), ...errors];
}

async function runAll(filters: readonly string[]): Promise<TestCounts[]> {
  try {
    await buildNative();
    const model = await setUpModel();
    const native = filters.length === 0 ? [await runNativeTests(), await checkGoldens()] : [];
    return [...model, ...native, ...(await runProjects(filters))];
  } catch (error) {
    return [fail(error instanceof Error ? error.message : String(error))];
  }
}

async function main(): Promise<void> {
  const total = sumCounts(await runAll(process.argv.slice(2)));
  process.stdout.write(`\n${closingLine(total)}\n`);
  if (total.failed > 0 || total.passed === 0) process.exitCode = 1;
}

await main();
