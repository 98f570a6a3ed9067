// Owns what of a body admission checks against the key's lists.
import type { Result } from "@fairlane/base";
import type { ErrorValue, Wanted } from "@fairlane/protocol";

/** The model that a body names; undefined when it names none, and when it is wrong. */
export function wantedOf(
  parsed: Result<{ readonly model?: string | undefined }, ErrorValue>,
): Wanted | undefined {
  if (!parsed.ok || parsed.value.model === undefined) return undefined;
  return { model: parsed.value.model };
}
