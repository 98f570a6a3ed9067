// Owns the form of the hub's log lines: one JSON object each, with ids and numbers, never secrets or prompt text.

type LogField = string | number | boolean | null | undefined;

/** Writes one line. `event` is a past participle or a noun; fields carry units in their names. */
export function logEvent(
  level: "info" | "warn" | "error",
  event: string,
  fields: Readonly<Record<string, LogField>> = {},
): void {
  const line = JSON.stringify({ level, event, ...fields });
  if (level === "info") console.log(line);
  else if (level === "warn") console.warn(line);
  else console.error(line);
}

/** What a caught value says, bounded. */
export function reasonOf(caught: unknown): string {
  return (caught instanceof Error ? caught.message : String(caught)).slice(0, 200);
}
