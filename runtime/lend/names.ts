import { createHash } from 'node:crypto'

/** PostgreSQL cuts longer identifiers off, silently. */
const IDENTIFIER_BYTES = 63
const DIGEST_LENGTH = 16

/**
 * The schema that holds a module's tables.
 *
 * @example schemaOf('pii-filter') // 'mod_pii-filter'
 */
export function schemaOf(module: string): string {
  return fitted(`mod_${module}`)
}

/**
 * The role a module's statements run as. Roles are shared by all databases of a server: on one that is not ours alone,
 * the name says for which database it is.
 *
 * @example roleOf('pii-filter', undefined) // 'mod_pii-filter'
 * @example roleOf('pii-filter', 'chat') // 'mod_pii-filter.chat'
 */
export function roleOf(module: string, database: string | undefined): string {
  return fitted(database === undefined ? `mod_${module}` : `mod_${module}.${database}`)
}

/** @example identifier('mod_pii-filter') // '"mod_pii-filter"' */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** @example literal("it's") // "'it''s'" */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name too long ends in a digest of all of it. No module's name has an underscore, so none looks like that by itself. */
function fitted(name: string): string {
  if (Buffer.byteLength(name) <= IDENTIFIER_BYTES) return name
  const digest = createHash('sha256').update(name).digest('hex').slice(0, DIGEST_LENGTH)
  const room = IDENTIFIER_BYTES - DIGEST_LENGTH - 1
  return `${Buffer.from(name).subarray(0, room).toString('utf8').replaceAll('\uFFFD', '')}_${digest}`
}
