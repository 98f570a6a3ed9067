// Owns the grammar of objects under a schema: members in the schema's order, optional ones present or not.
import { exprs, type Expr } from "./expr.ts";
import { json } from "./json-grammar.ts";
import { isSchema, SchemaError, type Schema } from "./schema-node.ts";

const { choice, EMPTY, sequence, text } = exprs;
const { listOf, literal, member, SPACE, STRING, VALUE } = json;

/** Keywords of objects. */
export const OBJECT_KEYWORDS = ["properties", "required", "additionalProperties"] as const;

/** What it needs of the schema's compiler. */
export interface SchemaRules {
  /** The values of a schema within an object. */
  within(schema: unknown, path: string): Expr;
  /** Adds a rule under a name that no other of the schema has. */
  define(name: string, expr: Expr): Expr;
  /** The rule of that name. */
  named(name: string): Expr;
}

interface Member {
  readonly expr: Expr;
  readonly isRequired: boolean;
}

/** The objects that the schema describes; null when that is any object. Throws SchemaError. */
export function objectsOf(schema: Schema, path: string, compiler: SchemaRules): Expr | null {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  if (!isSchema(properties)) throw new SchemaError(path, "'properties' must be an object");
  const isNameList = Array.isArray(required) && required.every((name) => typeof name === "string");
  if (!isNameList) throw new SchemaError(path, "'required' must be a list of names");
  const names = new Set([...Object.keys(properties), ...required.map(String)]);
  const others = othersOf(additionalProperties, path, compiler);
  if (names.size === 0) {
    if (additionalProperties === true) return null;
    if (others === null) return listOf(VALUE, { brackets: "{}", max: 0 });
    return listOf(member(STRING, others), { brackets: "{}" });
  }
  const members: Member[] = [];
  for (const name of names) {
    const isNamed = Object.hasOwn(properties, name);
    if (!isNamed && others === null) {
      throw new SchemaError(path, `'${name}' is required and no property of the schema`);
    }
    const value = isNamed
      ? compiler.within(properties[name], `${path}/properties/${name}`)
      : (others ?? VALUE);
    members.push({ expr: member(literal(name), value), isRequired: required.includes(name) });
  }
  return membersInOrder(members, path, compiler);
}

/** What members beside the named ones look like; null when there may be none. */
function othersOf(additional: unknown, path: string, compiler: SchemaRules): Expr | null {
  if (additional === false) return null;
  if (additional === true) return VALUE;
  return compiler.within(additional, `${path}/additionalProperties`);
}

/**
 * Two rules for each place in the order: what may come there when nothing stands before it, and after a member. So the
 * grammar grows with the number of members, not with that of their combinations.
 */
function membersInOrder(members: readonly Member[], path: string, compiler: SchemaRules): Expr {
  const nameOf = (index: number, isFirst: boolean): string =>
    `members ${path} ${index} ${isFirst ? "first" : "after"}`;
  for (const isFirst of [true, false]) {
    for (const [index, { expr, isRequired }] of members.entries()) {
      const comma = isFirst ? EMPTY : sequence(SPACE, text(","));
      const present = sequence(comma, SPACE, expr, compiler.named(nameOf(index + 1, false)));
      const absent = compiler.named(nameOf(index + 1, isFirst));
      compiler.define(nameOf(index, isFirst), isRequired ? present : choice(present, absent));
    }
    compiler.define(nameOf(members.length, isFirst), EMPTY);
  }
  return sequence(text("{"), compiler.named(nameOf(0, true)), SPACE, text("}"));
}
