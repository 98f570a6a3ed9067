// Owns the way from a JSON schema to the grammar of the values that it describes. What cannot be expressed is refused,
// never ignored, unless the caller asks for leniency. Invariant: whatever the grammar accepts the schema accepts; the
// grammar may accept less: members stand in the schema's order, and only those that it names.
import { exprs, type Expr, type Grammar } from "./expr.ts";
import { json, JSON_RULES } from "./json-grammar.ts";
import { isSchema, SchemaError, type Schema } from "./schema-node.ts";
import { integersWithin, NUMBER_KEYWORDS, numbersWithin } from "./schema-numbers.ts";
import { OBJECT_KEYWORDS, objectsOf, type SchemaRules } from "./schema-objects.ts";
import { lengthsOf, STRING_KEYWORDS, stringsOf } from "./schema-strings.ts";

const { choice, rule } = exprs;
const { ARRAY, BOOLEAN, listOf, literal, NULL, OBJECT, VALUE } = json;

/** What says nothing about values. */
const ANNOTATIONS = new Set(
  "$anchor $comment $defs $id $schema definitions default deprecated description examples readOnly title writeOnly".split(
    " ",
  ),
);
const ARRAY_KEYWORDS = ["items", "minItems", "maxItems", "uniqueItems"];
const KEYWORDS_OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  string: STRING_KEYWORDS,
  number: NUMBER_KEYWORDS,
  integer: NUMBER_KEYWORDS,
  object: OBJECT_KEYWORDS,
  array: ARRAY_KEYWORDS,
  boolean: [],
  null: [],
};
/** Schemas within each other, references followed; more is a mistake or an attack. */
const DEPTH_MAX = 200;
/** Values of one enum: OpenAI's bound. */
const ENUM_VALUES_MAX = 1_000;

export interface SchemaOptions {
  /** Keywords that cannot be expressed: refused when strict, else left out of account. */
  readonly isStrict: boolean;
  /** Begins the names of its rules, where several schemas share a grammar. */
  readonly scope?: string;
  /** Begins the places that errors name. */
  readonly place?: string;
}

/** The grammar of the values that the schema describes. Throws SchemaError. */
export function grammarOfSchema(schema: unknown, options: SchemaOptions): Grammar {
  return new SchemaCompiler(schema, options).grammar(options.place ?? "");
}

class SchemaCompiler implements SchemaRules {
  readonly #root: unknown;
  readonly #isStrict: boolean;
  readonly #scope: string;
  readonly #rules: Record<string, Expr> = { ...JSON_RULES };
  /** References being followed without a value between. */
  #open = new Set<string>();
  #depth = 0;

  constructor(root: unknown, { isStrict, scope = "" }: SchemaOptions) {
    this.#scope = scope;
    this.#root = root;
    this.#isStrict = isStrict;
  }

  grammar(place: string): Grammar {
    const root = this.compile(this.#root, place);
    return { root, rules: this.#rules };
  }

  define(name: string, expr: Expr): Expr {
    this.#rules[this.#scope + name] = expr;
    return this.named(name);
  }

  named(name: string): Expr {
    return rule(this.#scope + name);
  }

  within(schema: unknown, path: string): Expr {
    const open = this.#open;
    this.#open = new Set();
    const expr = this.compile(schema, path);
    this.#open = open;
    return expr;
  }

  compile(schema: unknown, path: string): Expr {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new SchemaError(path, `nested deeper than ${DEPTH_MAX}`);
    const expr = this.#compiled(schema, path);
    this.#depth -= 1;
    return expr;
  }

  #compiled(schema: unknown, path: string): Expr {
    if (schema === true) return VALUE;
    if (!isSchema(schema)) throw new SchemaError(path, "a schema must be an object or true");
    if (schema["$ref"] !== undefined) return this.#reference(schema, path);
    for (const combiner of ["anyOf", "allOf"] as const) {
      if (schema[combiner] !== undefined) return this.#combined(schema, combiner, path);
    }
    const types = this.#typesOf(schema, path);
    if (schema["const"] !== undefined || schema["enum"] !== undefined) {
      return this.#constants(schema, types, path);
    }
    const known = ["type", ...types.flatMap((type) => KEYWORDS_OF_TYPE[type] ?? [])];
    this.#refuseOthers(schema, known, path);
    if (types.length === 0) return VALUE;
    return choice(...types.map((type) => this.#ofType(type, schema, path)));
  }

  #ofType(type: string, schema: Schema, path: string): Expr {
    switch (type) {
      case "string":
        return this.#lenient(schema, path, { make: stringsOf, keywords: STRING_KEYWORDS });
      case "integer":
        return this.#lenient(schema, path, { make: integersWithin, keywords: NUMBER_KEYWORDS });
      case "number":
        return this.#lenient(schema, path, { make: numbersWithin, keywords: NUMBER_KEYWORDS });
      case "boolean":
        return BOOLEAN;
      case "null":
        return NULL;
      case "array":
        return this.#arrays(schema, path);
      default:
        return objectsOf(schema, path, this) ?? OBJECT;
    }
  }

  /** What `make` says of the schema; without the keywords that it refuses when nothing is strict. */
  #lenient(
    schema: Schema,
    path: string,
    by: {
      readonly make: (schema: Schema, path: string) => Expr;
      readonly keywords: readonly string[];
    },
  ): Expr {
    const { make, keywords } = by;
    if (this.#isStrict) return make(schema, path);
    const kept: Record<string, unknown> = {};
    for (const keyword of keywords) {
      const tried = {
        ...kept,
        ...(schema[keyword] === undefined ? {} : { [keyword]: schema[keyword] }),
      };
      try {
        make(tried, path);
        Object.assign(kept, tried);
      } catch (error) {
        if (!(error instanceof SchemaError)) throw error;
      }
    }
    return make(kept, path);
  }

  #typesOf(schema: Schema, path: string): string[] {
    const { type } = schema;
    if (type === undefined) {
      // Without a type, keywords say what values of theirs look like; such a value is one of those allowed.
      const implied = ["object", "array", "string", "number"].find((one) =>
        (KEYWORDS_OF_TYPE[one] ?? []).some((keyword) => schema[keyword] !== undefined),
      );
      return implied === undefined ? [] : [implied];
    }
    const types: unknown[] = Array.isArray(type) ? type : [type];
    const isKnown = types.every(
      (one) => typeof one === "string" && Object.hasOwn(KEYWORDS_OF_TYPE, one),
    );
    if (types.length === 0 || !isKnown) {
      throw new SchemaError(
        path,
        `type ${JSON.stringify(type)} is none of ${Object.keys(KEYWORDS_OF_TYPE).join(", ")}`,
      );
    }
    return types.map(String);
  }

  #reference(schema: Schema, path: string): Expr {
    this.#refuseOthers(schema, ["$ref"], path);
    const pointer = schema["$ref"];
    if (typeof pointer !== "string" || !/^#(\/|$)/.test(pointer)) {
      throw new SchemaError(
        path,
        `$ref ${JSON.stringify(pointer)} does not point into this schema`,
      );
    }
    if (this.#open.has(pointer)) throw new SchemaError(path, `${pointer} refers to itself`);
    const name = `${this.#scope}ref ${pointer}`;
    if (!Object.hasOwn(this.#rules, name)) {
      // Noted before it is compiled, since it may occur in itself.
      this.#rules[name] = VALUE;
      this.#open.add(pointer);
      this.#rules[name] = this.compile(this.#target(pointer, path), pointer.slice(1));
      this.#open.delete(pointer);
    }
    return rule(name);
  }

  #target(pointer: string, path: string): unknown {
    let target: unknown = this.#root;
    for (const part of pointer.split("/").slice(1)) {
      const key = decoded(part).replaceAll("~1", "/").replaceAll("~0", "~");
      const holder: unknown = target;
      const holds = typeof holder === "object" && holder !== null && Object.hasOwn(holder, key);
      if (!holds) throw new SchemaError(path, `$ref '${pointer}' points nowhere`);
      target = (holder as Schema)[key];
    }
    return target;
  }

  #combined(schema: Schema, combiner: "anyOf" | "allOf", path: string): Expr {
    this.#refuseOthers(schema, [combiner, "type"], path);
    const parts = schema[combiner];
    if (!Array.isArray(parts) || parts.length === 0) {
      throw new SchemaError(path, `'${combiner}' must be a list of schemas`);
    }
    if (schema["type"] !== undefined && this.#isStrict) {
      throw new SchemaError(path, `'type' beside '${combiner}' is not supported`);
    }
    if (combiner === "allOf" && parts.length > 1) {
      if (this.#isStrict)
        throw new SchemaError(path, "'allOf' of several schemas is not supported");
      return VALUE;
    }
    return choice(
      ...parts.map((part, index) => this.compile(part, `${path}/${combiner}/${index}`)),
    );
  }

  #constants(schema: Schema, types: readonly string[], path: string): Expr {
    this.#refuseOthers(schema, ["const", "enum", "type"], path);
    const listed = schema["const"] === undefined ? schema["enum"] : [schema["const"]];
    if (!Array.isArray(listed) || listed.length > ENUM_VALUES_MAX) {
      throw new SchemaError(path, `'enum' must be a list of at most ${ENUM_VALUES_MAX} values`);
    }
    const values = listed.filter(
      (value) => types.length === 0 || types.some((type) => isOfType(value, type)),
    );
    if (values.length === 0)
      throw new SchemaError(path, "no value of the enum is of the schema's type");
    return choice(...values.map(literal));
  }

  #arrays(schema: Schema, path: string): Expr {
    if (schema["uniqueItems"] === true && this.#isStrict) {
      throw new SchemaError(path, "'uniqueItems' is not supported");
    }
    const { items, minItems, maxItems } = schema;
    const lengths = lengthsOf({ min: minItems, max: maxItems }, { path, of: "Items" });
    if (items === undefined && minItems === undefined && maxItems === undefined) return ARRAY;
    const element = items === undefined ? VALUE : this.within(items, `${path}/items`);
    return listOf(element, { brackets: "[]", ...lengths });
  }

  #refuseOthers(schema: Schema, known: readonly string[], path: string): void {
    if (!this.#isStrict) return;
    for (const keyword of Object.keys(schema)) {
      if (known.includes(keyword) || ANNOTATIONS.has(keyword)) continue;
      throw new SchemaError(path, `keyword '${keyword}' is not supported here`);
    }
  }
}

function isOfType(value: unknown, type: string): boolean {
  if (value === null) return type === "null";
  if (Array.isArray(value)) return type === "array";
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

/** A part of a pointer may be percent-encoded; one that is not well-formed stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
