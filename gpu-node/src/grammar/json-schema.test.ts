import { describe, expect, it } from "vitest";
import { Automaton } from "./automaton.ts";
import { grammarOfSchema } from "./json-schema.ts";

/** Which of the texts the schema's grammar takes. */
function taken(schema: unknown, texts: readonly string[]): string[] {
  const automaton = new Automaton(grammarOfSchema(schema, { isStrict: true }));
  return texts.filter((text) => {
    let state = automaton.start;
    for (const byte of Buffer.from(text)) state = automaton.next(state, byte);
    return automaton.isAccepting(state);
  });
}

function refusal(schema: unknown): string {
  try {
    grammarOfSchema(schema, { isStrict: true });
    return "taken";
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
}

describe("grammarOfSchema", () => {
  it("takes members in the schema's order, optional ones or not", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "boolean" }, c: { type: "null" } },
      required: ["b"],
      additionalProperties: false,
    };
    const good = [
      '{"a":1,"b":true,"c":null}',
      '{"b":false}',
      '{"a":-1,"b":true}',
      '{ "b": true, "c": null }',
      '{\n  "b": true\n}',
    ];
    expect(taken(schema, good)).toEqual(good);
    expect(
      taken(schema, [
        "{}",
        '{"a":1}',
        '{"b":true,"a":1}',
        '{"b":true,}',
        '{,"b":true}',
        '{"b":true,"d":1}',
        '{"b":1}',
      ]),
    ).toEqual([]);
  });

  it("takes any object without properties, none where no more are allowed, and maps", () => {
    expect(taken({ type: "object" }, ["{}", '{"x":[1,{"y":null}]}', "[]"])).toEqual([
      "{}",
      '{"x":[1,{"y":null}]}',
    ]);
    expect(taken({ type: "object", additionalProperties: false }, ["{}", '{"x":1}'])).toEqual([
      "{}",
    ]);
    const map = { type: "object", additionalProperties: { type: "string" } };
    expect(taken(map, ['{"x":"y","z":""}', '{"x":1}'])).toEqual(['{"x":"y","z":""}']);
  });

  it("counts items and characters", () => {
    const items = { type: "array", items: { type: "integer" }, minItems: 1, maxItems: 2 };
    expect(taken(items, ["[]", "[1]", "[1, 2]", "[1,2,3]"])).toEqual(["[1]", "[1, 2]"]);
    expect(taken({ type: "array", maxItems: 0 }, ["[]", "[1]"])).toEqual(["[]"]);
    const short = { type: "string", minLength: 2, maxLength: 3 };
    const texts = ['"a"', '"ab"', '"日本語"', '"a\\n"', '"abcd"', '"\\u0041\\u00e9"'];
    expect(taken(short, texts)).toEqual(['"ab"', '"日本語"', '"a\\n"', '"\\u0041\\u00e9"']);
  });

  it("takes numbers within bounds", () => {
    const within = { type: "integer", minimum: -12, maximum: 105 };
    const all = Array.from({ length: 400 }, (_, i) => String(i - 200));
    expect(taken(within, all)).toEqual(Array.from({ length: 118 }, (_, i) => String(i - 12)));
    const open = { type: "integer", exclusiveMinimum: 0.5, exclusiveMaximum: 3 };
    expect(taken(open, ["0", "1", "2", "3", "1.5"])).toEqual(["1", "2"]);
    const share = { type: "number", minimum: 0, maximum: 1 };
    expect(taken(share, ["0", "0.25", "1", "1.0", "1.01", "2", "-0.1", "1e0"])).toEqual([
      "0",
      "0.25",
      "1",
      "1.0",
    ]);
    const negative = { type: "number", maximum: -2 };
    expect(taken(negative, ["-2", "-2.5", "-1.9", "0", "-13"])).toEqual(["-2", "-2.5", "-13"]);
    expect(taken({ type: "number" }, ["-1.5e-7", "1e999", "01", "1.", ".5"])).toEqual(["-1.5e-7"]);
  });

  it("takes enums, constants, unions and formats", () => {
    expect(
      taken({ enum: ["a", 1, null, { x: [1] }] }, ['"a"', "1", "null", '{"x":[1]}', '"b"']),
    ).toEqual(['"a"', "1", "null", '{"x":[1]}']);
    expect(taken({ const: "x", type: "string" }, ['"x"', '"y"'])).toEqual(['"x"']);
    expect(taken({ type: ["string", "null"] }, ['"q"', "null", "1"])).toEqual(['"q"', "null"]);
    expect(
      taken({ anyOf: [{ type: "boolean" }, { type: "integer" }] }, ["true", "7", '"7"']),
    ).toEqual(["true", "7"]);
    const day = { type: "string", format: "date-time" };
    expect(
      taken(day, ['"2026-02-28T23:59:59Z"', '"2026-02-30T23:59:59Z"', '"2026-02-28"']),
    ).toEqual(['"2026-02-28T23:59:59Z"']);
  });

  it("follows references, also to itself", () => {
    const schema = {
      $ref: "#/$defs/tree",
      $defs: {
        tree: {
          type: "object",
          properties: { left: { anyOf: [{ $ref: "#/$defs/tree" }, { type: "null" }] } },
          required: ["left"],
          additionalProperties: false,
        },
      },
    };
    expect(taken(schema, ['{"left":{"left":null}}', '{"left":{}}'])).toEqual([
      '{"left":{"left":null}}',
    ]);
  });

  it("says where and why it refuses a schema", () => {
    const within = (schema: unknown) => refusal({ type: "object", properties: { a: schema } });
    expect(within({ not: {} })).toBe("at '/properties/a': keyword 'not' is not supported here");
    expect(within({ type: "strin" })).toContain(
      "at '/properties/a': type \"strin\" is none of string, number",
    );
    expect(within({ type: "string", contentEncoding: "base64" })).toContain(
      "keyword 'contentEncoding' is not supported",
    );
    expect(within({ type: "string", format: "iri" })).toContain(
      'format "iri" is not supported; these are: date, time',
    );
    expect(within({ type: "array", uniqueItems: true })).toContain(
      "'uniqueItems' is not supported",
    );
    for (const $ref of ["#/nowhere", "#/%", "#/$defs/__proto__"]) {
      expect(within({ $ref })).toContain("points nowhere");
    }
    const deepUnion = JSON.parse(`${'{"anyOf":['.repeat(300)}{}${"]}".repeat(300)}`) as unknown;
    expect(refusal(deepUnion)).toContain("nested deeper than 200");
    expect(within({ $ref: "https://example.com" })).toContain("does not point into this schema");
    expect(within({ type: "integer", minimum: 5, maximum: 4 })).toContain(
      "no number lies between 5 and 4",
    );
    expect(within({ type: "number", exclusiveMinimum: 0 })).toContain("for type 'integer' only");
    expect(refusal({ required: ["a"], additionalProperties: false })).toContain(
      "'a' is required and no property",
    );
    expect(refusal({ anyOf: [{ $ref: "#" }] })).toBe("at '/anyOf/0': # refers to itself");
    expect(refusal(7)).toBe("at the root: a schema must be an object or true");
    let deep: unknown = {};
    for (let i = 0; i < 210; i++) deep = { type: "array", items: deep };
    expect(refusal(deep)).toContain("nested deeper than 200");
  });

  it("leaves what it cannot express out of account when lenient", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string", pattern: "(?=x)", maxLength: 1 } },
      required: ["a"],
      oneOf: [],
    };
    const automaton = new Automaton(grammarOfSchema(schema, { isStrict: false }));
    let state = automaton.start;
    for (const byte of Buffer.from('{"a":"y"}')) state = automaton.next(state, byte);
    expect(automaton.isComplete(state)).toBe(true);
  });
});
