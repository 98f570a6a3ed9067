// Owns looking into a decoded body before its schema is known to hold: fields of what may be no object, elements of what
// may be no list, and the one error of a type that an API has and Fairlane does not serve.
import type { ErrorValue } from "./app-error.ts";

const SHOWN_CHARS_MAX = 32;

/** Index and element of a list; nothing of anything else. */
export function listOf(value: unknown): readonly (readonly [number, unknown])[] {
  return Array.isArray(value) ? [...value.entries()] : [];
}

/** A field of an object; undefined of anything else. */
export function fieldOf(value: unknown, field: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[field];
}

/** @param param the field with the type, which is repeated when it is short */
export function unsupportedType(param: string, type: string, why: string): ErrorValue {
  const shown = type.length <= SHOWN_CHARS_MAX ? ` '${type}'` : "";
  const message = `Unsupported${shown} in '${param}'. ${why}`;
  return { code: "unsupported_parameter", message, param };
}
