/** The part of JSON Schema of which a type can be made. What a manifest's `config` may say besides is let pass. */
interface ObjectSchema {
  readonly type: 'object'
  readonly properties?: { readonly [name: string]: unknown }
  readonly required?: readonly string[]
  readonly [keyword: string]: unknown
}

interface TypeNames {
  string: string
  number: number
  integer: number
  boolean: boolean
  null: null
}

type Defaulted<Properties> = {
  [Name in keyof Properties]: Properties[Name] extends { readonly default: unknown } ? Name : never
}[keyof Properties]
type Present<Schema, Properties> =
  | Defaulted<Properties>
  | (Schema extends { readonly required: readonly (infer Name)[] } ? Name & keyof Properties : never)
type FromProperties<Schema, Properties> = {
  -readonly [Name in Present<Schema, Properties>]: FromSchema<Properties[Name]>
} & {
  -readonly [Name in Exclude<keyof Properties, Present<Schema, Properties>>]?: FromSchema<Properties[Name]>
}

/**
 * The type of the values that a JSON Schema written as a literal admits. A property is there when it is required or
 * has a default; what cannot be told from `type`, `enum`, `const`, `anyOf`, `oneOf`, `items` and `properties` is
 * `unknown`.
 *
 * @example type Kinds = FromSchema<{ type: 'array'; items: { enum: ['email', 'phone'] } }> // ('email' | 'phone')[]
 */
export type FromSchema<Schema> = Schema extends { readonly const: infer Value }
  ? Value
  : Schema extends { readonly enum: readonly (infer Value)[] }
    ? Value
    : Schema extends { readonly anyOf: readonly (infer Choice)[] } | { readonly oneOf: readonly (infer Choice)[] }
      ? FromSchema<Choice>
      : Schema extends { readonly type: readonly (infer Name)[] }
        ? Name extends keyof TypeNames ? TypeNames[Name] : unknown
        : Schema extends { readonly type: infer Name extends keyof TypeNames }
          ? TypeNames[Name]
          : Schema extends { readonly type: 'array'; readonly items: infer Item }
            ? FromSchema<Item>[]
            : Schema extends { readonly type: 'object'; readonly properties: infer Properties }
              ? { [Name in keyof FromProperties<Schema, Properties>]: FromProperties<Schema, Properties>[Name] }
              : unknown

/**
 * The default values of a configuration's JSON Schema, with the type of the whole. It is the schema of the manifest's
 * `config`, written where the compiler can read it; `bulkhead module:validate` tells where the two differ.
 *
 * @example
 * defineModule({
 *   config: configFrom({
 *     type: 'object',
 *     properties: { mask: { enum: ['asterisks', 'removed'], default: 'asterisks' }, limit: { type: 'integer' } },
 *   }),
 *   onLoad(config) {}, // { mask: 'asterisks' | 'removed'; limit?: number }
 * })
 */
export function configFrom<const Schema extends ObjectSchema>(schema: Schema): FromSchema<Schema> & object {
  const config = {}
  fillIn(config, schema)
  return config as FromSchema<Schema> & object
}

/** As a validator fills defaults in: of an object that is absent and has no default, nothing becomes present. */
function fillIn(value: object, { properties = {} }: { properties?: object }): void {
  for (const [name, property] of Object.entries(properties)) {
    if (property.default !== undefined && !Object.hasOwn(value, name)) Reflect.set(value, name, structuredClone(property.default))
    const child: unknown = Reflect.get(value, name)
    if (typeof child === 'object' && child !== null) fillIn(child, property)
  }
}
