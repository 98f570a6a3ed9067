// Owns the view of the repository that the tidy tests share: its files (tracked, or new and not ignored), their
// text, and the lines of an offence. Knows no rule.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "../..");

const listing = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
  cwd: ROOT,
  encoding: "utf8",
});

/** Every file of the repository, relative to the root, links and deleted files left out. */
export const ALL_FILES: readonly string[] = listing
  .split("\n")
  .filter((file) => file !== "" && existsSync(path.join(ROOT, file)))
  .filter((file) => statSync(path.join(ROOT, file)).isFile())
  .toSorted();

/** Text of a file. */
export function textOf(file: string): string {
  return readFileSync(path.join(ROOT, file), "utf8");
}

/** Files with one of the endings, generated code left out. */
export function filesEnding(...endings: readonly string[]): readonly string[] {
  return ALL_FILES.filter(
    (file) => endings.some((ending) => file.endsWith(ending)) && !file.includes("/generated/"),
  );
}

export function isTest(file: string): boolean {
  return /\.(test|bench)\.ts$|_(test|bench)\.cc$|^test\//.test(file);
}

/** `file:line text` for every line that the pattern matches. */
export function offences(file: string, pattern: RegExp): string[] {
  return textOf(file)
    .split("\n")
    .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1} ${line.trim()}`] : []));
}

/** TypeScript without its comments; text inside string literals is kept. */
export function withoutComments(text: string): string {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return text.replace(token, (found) =>
    /^\/[/*]/.test(found) ? found.replace(/[^\n]/g, "") : found,
  );
}
