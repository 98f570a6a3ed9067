// Owns the treatment of fields that OpenAI has and Fairlane does not serve: they pass only at a value that means "off".
import { err, ok, type Result } from "@fairlane/base";
import type { ErrorValue } from "../app-error.ts";

/** Field -> the values that mean "off" and are therefore harmless; anything else is `unsupported_parameter`. */
export type OffValues = Readonly<Record<string, readonly unknown[]>>;

/** The body without fields that are "off", or the error of the first that is not; of a body that is no object as well. */
export function withoutOffFields(
  body: unknown,
  offValues: OffValues,
): Result<Readonly<Record<string, unknown>>, ErrorValue> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    const message = "Invalid body: expected a JSON object.";
    return err({ code: "invalid_type", message, param: null });
  }
  // Without a prototype, so that a field named `__proto__` is a field like any other and refused as unknown.
  const rest = Object.create(null) as Record<string, unknown>;
  for (const [field, value] of Object.entries(body)) {
    if (!Object.hasOwn(offValues, field)) {
      rest[field] = value;
    } else if (!isOff(offValues[field] ?? [], value)) {
      const message = `Unsupported parameter: '${field}' is not supported with this value yet.`;
      return err({ code: "unsupported_parameter", message, param: field });
    }
  }
  return ok(rest);
}

function isOff(values: readonly unknown[], value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : values.includes(value);
}
