// Owns what a schema is to its readers: an object of keywords, and what is wrong with one, as the client sees it.

export type Schema = Readonly<Record<string, unknown>>;

export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export class SchemaError extends Error {
  override readonly name = "SchemaError";

  /** @param path JSON pointer of the schema at fault, "" for the whole */
  constructor(path: string, problem: string) {
    super(`at ${path === "" ? "the root" : `'${path}'`}: ${problem}`);
  }
}
