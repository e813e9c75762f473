const HIDDEN = '(not kept)'
/** As deep as what is kept is looked at; a request's body is no deeper. */
const DEEPEST = 64

/**
 * The names of all fields that schemas mark with `secret: true`, wherever they are.
 *
 * @example secretNames([Type.Object({ key: Type.String({ secret: true }) })]) // Set { 'key' }
 */
export function secretNames(schemas: readonly unknown[]): ReadonlySet<string> {
  const found = new Set<string>()
  const look = (schema: unknown): void => {
    if (typeof schema !== 'object' || schema === null) return
    const { properties = {} } = schema as { properties?: Record<string, { secret?: boolean }> }
    for (const [name, field] of Object.entries(properties)) if (field.secret === true) found.add(name)
    for (const inner of Object.values(schema)) look(inner)
  }
  for (const schema of schemas) look(schema)
  return found
}

/**
 * A value as it may be kept: without what fields of these names hold, and without what is no data.
 *
 * @example redact({ name: 'a', key: 'bk_…' }, new Set(['key'])) // { name: 'a', key: '(not kept)' }
 */
export function redact(value: unknown, names: ReadonlySet<string>, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return typeof value === 'function' ? HIDDEN : value
  if (depth > DEEPEST || Symbol.asyncIterator in value) return HIDDEN
  if (Array.isArray(value)) return value.map((item) => redact(item, names, depth + 1))
  const kept = Object.entries(value).map(([name, inner]) => [name, names.has(name) && inner !== null ? HIDDEN : redact(inner, names, depth + 1)])
  return Object.fromEntries(kept)
}
