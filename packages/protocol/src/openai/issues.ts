// Owns the wording: turns zod's issues into OpenAI's error for the first wrong field, naming the field and the
// bound. Values of strings are not repeated unless they are short enum candidates: they may be prompt text.
import type { z } from "zod";
import type { ErrorValue } from "../app-error.ts";
import type { ErrorCode } from "../error-codes.ts";

type Issue = z.core.$ZodIssue;

const QUOTED_CHARS_MAX = 32;
// Keys of `metadata` are the client's own and may be long.
const FIELD_PATH_CHARS_MAX = 128;

/** `messages[0].role` from zod's path, cut where a key of the client's makes it long. */
function fieldPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    text += typeof part === "number" ? `[${part}]` : `${text === "" ? "" : "."}${String(part)}`;
  }
  return text.slice(0, FIELD_PATH_CHARS_MAX);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "number") return Number.isInteger(value) ? "an integer" : "a decimal";
  return `a ${typeof value}`;
}

function expectedName(expected: string): string {
  if (expected === "int") return "an integer";
  if (expected === "object" || expected === "record") return "an object";
  return expected === "array" ? "an array" : `a ${expected}`;
}

function typeError(issue: Issue & { code: "invalid_type" }, param: string): ErrorValue {
  if (issue.input === undefined) {
    const message = `Missing required parameter: '${param}'.`;
    return { code: "missing_required_parameter", message, param };
  }
  const got = kindOf(issue.input);
  const message = `Invalid type for '${param}': expected ${expectedName(issue.expected)}, but got ${got} instead.`;
  return { code: "invalid_type", message, param };
}

function boundError(issue: Issue & { code: "too_small" | "too_big" }, param: string): ErrorValue {
  const above = issue.code === "too_big";
  const bound = issue.code === "too_big" ? issue.maximum : issue.minimum;
  const sign = `${above ? "<" : ">"}${issue.inclusive === false ? "" : "="}`;
  if (issue.origin === "array" || issue.origin === "string") {
    const empty = !above && Number(bound) === 1;
    const noun = issue.origin === "array" ? "array" : "string";
    const code: ErrorCode = empty
      ? noun === "array"
        ? "empty_array"
        : "invalid_value"
      : noun === "array"
        ? "array_above_max_length"
        : "string_above_max_length";
    const what = above ? `${noun} too long` : `empty ${noun}`;
    const wanted = `${above ? "at most" : "at least"} ${String(bound)}`;
    return { code, message: `Invalid '${param}': ${what}. Expected a length of ${wanted}.`, param };
  }
  const isInt = Number.isInteger(issue.input);
  const prefix = isInt ? "integer" : "decimal";
  const code = `${prefix}_${above ? "above_max" : "below_min"}_value` as const;
  const side = above ? "above maximum" : "below minimum";
  const message = `Invalid '${param}': ${prefix} ${side} value. Expected a value ${sign} ${String(bound)}, but got ${String(issue.input)} instead.`;
  return { code, message, param };
}

function valueError(issue: Issue & { code: "invalid_value" }, param: string): ErrorValue {
  if (issue.input === undefined) {
    return {
      code: "missing_required_parameter",
      message: `Missing required parameter: '${param}'.`,
      param,
    };
  }
  const supported = issue.values.map((value) => `'${String(value)}'`).join(", ");
  const { input } = issue;
  const isShort = typeof input === "string" && input.length <= QUOTED_CHARS_MAX;
  const got = isShort ? `'${input}'` : kindOf(input);
  return {
    code: "invalid_value",
    message: `Invalid value: ${got}. Supported values are: ${supported}.`,
    param,
  };
}

function unionError(issue: Issue & { code: "invalid_union" }, param: string): ErrorValue {
  // The branch that got furthest is the one that the client meant: `content` as an array with a bad part.
  const progress = (one: Issue) => 2 * one.path.length + (one.code === "invalid_type" ? 0 : 1);
  const issues = issue.errors.map((branch) => branch[0]).filter((first) => first !== undefined);
  const deepest = issues.reduce<Issue | undefined>(
    (best, one) => (best === undefined || progress(one) > progress(best) ? one : best),
    undefined,
  );
  if (deepest && progress(deepest) > 0) {
    return errorOfIssues([{ ...deepest, path: [...issue.path, ...deepest.path] }]);
  }
  if (issue.input === undefined) {
    return {
      code: "missing_required_parameter",
      message: `Missing required parameter: '${param}'.`,
      param,
    };
  }
  const message = `Invalid type for '${param}': got ${kindOf(issue.input)} instead of a supported form.`;
  return { code: "invalid_type", message, param };
}

/** The error for the first of zod's issues (there is at least one). Parse with `reportInput: true`. */
export function errorOfIssues(issues: readonly Issue[]): ErrorValue {
  const issue = issues[0];
  if (!issue) return { code: "invalid_value", message: "Invalid request.", param: null };
  const param = fieldPath(issue.path);
  switch (issue.code) {
    case "invalid_type":
      return typeError(issue, param);
    case "too_small":
    case "too_big":
      return boundError(issue, param);
    case "invalid_value":
      return valueError(issue, param);
    case "invalid_union":
      return unionError(issue, param);
    case "unrecognized_keys": {
      const name = fieldPath([...issue.path, issue.keys[0] ?? ""]).slice(0, 64);
      return { code: "unknown_parameter", message: `Unknown parameter: '${name}'.`, param: name };
    }
    default:
      return { code: "invalid_value", message: `Invalid '${param}': ${issue.message}.`, param };
  }
}
