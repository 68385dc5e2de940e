/** A JSON Schema of OpenAPI 3.1 (draft 2020-12). */
export type Schema = Readonly<Record<string, unknown>>;

const described = (schema: Schema, description: string | undefined): Schema =>
  description === undefined ? schema : { ...schema, description };

export const text = (description?: string, rest: Schema = {}) => described({ type: 'string', ...rest }, description);
export const number = (description?: string, rest: Schema = {}) => described({ type: 'number', ...rest }, description);
/** A whole number from 0 on: counts, indexes, times. */
export const count = (description?: string, rest: Schema = {}) =>
  described({ type: 'integer', minimum: 0, ...rest }, description);
export const flag = (description?: string) => described({ type: 'boolean' }, description);
export const oneOf = (values: readonly string[], description?: string) =>
  described({ type: 'string', enum: [...values] }, description);
export const list = (items: Schema, description?: string, rest: Schema = {}) =>
  described({ type: 'array', items, ...rest }, description);
export const map = (values: Schema, description?: string, rest: Schema = {}) =>
  described({ type: 'object', additionalProperties: values, ...rest }, description);
export const anything: Schema = {};
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
export const orNull = (schema: Schema): Schema =>
  '$ref' in schema || 'properties' in schema
    ? { oneOf: [schema, { type: 'null' }] }
    : { ...schema, type: [schema['type'], 'null'] };

/** Fields whose names end with `?` may be absent. */
export function object(fields: Readonly<Record<string, Schema>>, description?: string): Schema {
  const entries = Object.entries(fields).map(([name, schema]) => [name.replace(/\?$/, ''), schema] as const);
  const required = Object.keys(fields).filter((name) => !name.endsWith('?'));
  return described(
    { type: 'object', properties: Object.fromEntries(entries), ...(required.length > 0 && { required }) },
    description,
  );
}

/** What a caller sends: a field that is not known is refused, because it would be a slip that nobody notices. */
export const request = (fields: Readonly<Record<string, Schema>>, description?: string): Schema => ({
  ...object(fields, description),
  additionalProperties: false,
});
