// Reads JSON Schema as OpenAPI 3.1 uses it: references, unions, nullable types, and examples made from them.
// Pure: takes the document, returns plain values, touches no element. A schema may refer to itself, so
// every walk down carries its depth and stops at DEPTH_MAX.

export const DEPTH_MAX = 6;

/** Follows a `$ref` inside the document; a dangling or circular one becomes an empty schema. */
export function resolve(document, schema) {
  let found = schema ?? {};
  for (let hops = 0; found.$ref && hops < DEPTH_MAX; hops += 1) {
    const path = found.$ref.replace(/^#\//, "").split("/");
    found = path.reduce((at, key) => at?.[key.replace(/~1/g, "/").replace(/~0/g, "~")], document) ?? {};
  }
  return found.$ref ? {} : found;
}

export const refName = (schema) => schema?.$ref?.split("/").at(-1) ?? null;

const isNull = (schema) => schema.type === "null";

/** The schema a property leads to: its own reference, that of its items, or the side of a union that is not null. */
export const targetName = (schema) =>
  refName(schema) ?? refName(schema?.items) ?? refName((schema?.oneOf ?? schema?.anyOf)?.find((side) => !isNull(side)));

/** A union with null is the other side, marked nullable; an `allOf` is one object with all the properties. */
export function simplify(document, schema, depth = 0) {
  const found = resolve(document, schema);
  if (depth > DEPTH_MAX) return {};
  const union = found.oneOf ?? found.anyOf;
  if (union) {
    const sides = union.filter((side) => !isNull(side));
    if (sides.length === 1) return { ...simplify(document, sides[0], depth + 1), description: found.description ?? resolve(document, sides[0]).description, nullable: true };
  }
  if (!found.allOf) return found;
  const parts = found.allOf.map((part) => simplify(document, part, depth + 1));
  return {
    ...Object.assign({}, ...parts, found),
    allOf: undefined,
    type: "object",
    properties: Object.assign({}, ...parts.map((part) => part.properties), found.properties),
    required: parts.concat(found).flatMap((part) => part.required ?? []),
  };
}

/** The name of a type in one line, such as `string (date-time) | null` or `array of Item`. */
export function typeName(document, schema, t, depth = 0) {
  if (!schema || schema === true || depth > DEPTH_MAX) return t("any");
  const name = refName(schema);
  if (name) return name;
  const union = schema.oneOf ?? schema.anyOf;
  if (union) {
    const names = [...union].sort((a, b) => isNull(a) - isNull(b)).map((side) => typeName(document, side, t, depth + 1));
    return [...new Set(names)].join(" | ");
  }
  if (schema.allOf) return schema.allOf.map((part) => typeName(document, part, t, depth + 1)).join(" & ");
  const types = [schema.type ?? (schema.properties ? "object" : t("any"))].flat();
  return types.map((type) => {
    if (type === "array") return t("array_of", { type: typeName(document, schema.items, t, depth + 1) });
    if (type === "object" && schema.additionalProperties && !schema.properties) {
      return t("map_of", { type: typeName(document, schema.additionalProperties, t, depth + 1) });
    }
    return schema.format && type !== "null" ? `${type} (${schema.format})` : type;
  }).join(" | ");
}

const RULES = [
  ["minimum", "≥"], ["exclusiveMinimum", ">"], ["maximum", "≤"], ["exclusiveMaximum", "<"],
  ["minLength", "length ≥"], ["maxLength", "length ≤"], ["minItems", "items ≥"], ["maxItems", "items ≤"], ["pattern", "pattern"],
];

/** What a value must keep to, one short phrase a rule. */
export function rules(schema, t) {
  const phrases = RULES.filter(([key]) => schema[key] !== undefined).map(([key, sign]) => `${sign} ${schema[key]}`);
  const values = schema.enum ?? (schema.const === undefined ? null : [schema.const]);
  if (values) phrases.push(`${t("one_of")}: ${values.join(", ")}`);
  if (schema.default !== undefined) phrases.push(`${t("default")}: ${JSON.stringify(schema.default)}`);
  return phrases;
}

/** The fields of an object, nested ones after their parent, as rows `{ depth, name, schema, shown, required }`. */
export function fields(document, schema, seen = [refName(schema) ?? refName(schema?.items)], depth = 0) {
  let object = simplify(document, schema);
  for (let nested = 0; object.items && nested < DEPTH_MAX; nested += 1) object = simplify(document, object.items);
  if (!object.properties || depth > DEPTH_MAX) return [];
  return Object.entries(object.properties).flatMap(([name, property]) => {
    const row = { depth, name, schema: property, shown: simplify(document, property), required: (object.required ?? []).includes(name) };
    const target = targetName(property);
    if (target && seen.includes(target)) return [row];
    return [row, ...fields(document, property, target ? [...seen, target] : seen, depth + 1)];
  });
}

// What a string of a known format looks like.
const STRINGS = { "date-time": "2026-03-01T09:30:00Z", date: "2026-03-01", uuid: "00000000-0000-4000-8000-000000000000", uri: "https://example.org/" };

/**
 * The example written in the schema, or one made from its types. A request is shown with what it must have
 * and no more: an invented optional value, a price say, would be refused.
 */
export function example(document, schema, onlyRequired = false, depth = 0) {
  const found = simplify(document, schema);
  const inner = (part) => example(document, part, onlyRequired, depth + 1);
  if (found.example !== undefined) return found.example;
  if (found.examples?.length) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  if (depth > DEPTH_MAX) return null;
  const union = found.oneOf ?? found.anyOf;
  if (union) return inner(union.find((side) => !isNull(side)));
  const type = [found.type].flat().find((each) => each && each !== "null") ?? (found.properties ? "object" : null);
  if (type === "array") return found.items ? [inner(found.items)] : [];
  if (type === "object") {
    const shown = Object.entries(found.properties ?? {}).filter(([name]) => !onlyRequired || (found.required ?? []).includes(name));
    return Object.fromEntries(shown.map(([name, property]) => [name, inner(property)]));
  }
  if (type === "integer" || type === "number") return found.minimum ?? 1;
  if (type === "boolean") return true;
  return type === "string" ? STRINGS[found.format] ?? "text" : null;
}

/** The example of a media type: its own, the first of its named ones, or one made from the schema. */
export function mediaExample(document, media, onlyRequired = false) {
  if (media.example !== undefined) return media.example;
  const named = Object.values(media.examples ?? {}).map((each) => resolve(document, each))[0];
  return named?.value !== undefined ? named.value : example(document, media.schema, onlyRequired);
}

/** The problem codes of an answer: listed as `x-codes`, named or written in its examples, or fixed by its schema. */
export function problemCodes(document, answer) {
  const listed = answer["x-codes"] ?? answer["x-problem-codes"] ?? [];
  const media = answer.content?.["application/problem+json"];
  if (!media) return [...listed];
  const values = [media.example, ...Object.values(media.examples ?? {}).map((each) => resolve(document, each).value)];
  const code = simplify(document, simplify(document, media.schema).properties?.code);
  const fixed = media.schema && !refName(media.schema) ? code.enum ?? [] : [];
  return [...new Set([...listed, ...values.map((value) => value?.code).filter(Boolean), ...fixed])];
}
