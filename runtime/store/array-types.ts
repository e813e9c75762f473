import postgresArray from 'postgres-array'
import type { Sql } from 'postgres'

/** A type and that of its arrays, as `pg_type` numbers them. */
export interface ArrayType {
  element: number
  array: number
}

/**
 * Reads which types are arrays of which. The driver's own way (`fetch_types`) throws where nobody can catch it when the
 * connection is lost meanwhile, and reads a null in an array as the text "NULL".
 * @throws what the query throws
 */
export async function readArrayTypes(sql: Sql): Promise<ArrayType[]> {
  return sql<ArrayType[]>`
    select oid::int8::int as element, typarray::int8::int as array from pg_type
    where typarray <> 0 and typdelim = ',' and oid::int8 < 2147483648 and typarray::int8 < 2147483648`
}

/**
 * Tells a driver instance how arrays are read and written, by what it knows of their elements.
 * @example teachArrays(sql, await readArrayTypes(sql))
 */
export function teachArrays(sql: Sql, types: readonly ArrayType[]): void {
  const { parsers, serializers } = sql.options
  for (const { element, array } of types) {
    if (parsers[array] !== undefined && serializers[array] !== undefined) continue
    const parse = parsers[element] as ((text: string) => unknown) | undefined
    const serialize = serializers[element] as ((value: unknown) => unknown) | undefined
    parsers[array] = (text: string) => postgresArray.parse(text, parse ?? ((value) => value))
    serializers[array] = (value: unknown) => (Array.isArray(value) ? literal(value, serialize) : value)
  }
}

/** https://www.postgresql.org/docs/18/arrays.html#ARRAYS-IO */
function literal(items: readonly unknown[], serialize: ((value: unknown) => unknown) | undefined): string {
  const write = (item: unknown): string => {
    if (Array.isArray(item)) return literal(item, serialize)
    if (item === null) return 'null'
    if (item === undefined) throw new TypeError('an array for the database has an undefined item')
    return `"${String(serialize === undefined ? item : serialize(item)).replace(/[\\"]/g, '\\$&')}"`
  }
  return `{${items.map(write).join(',')}}`
}
