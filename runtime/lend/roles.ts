import type { Sql, TransactionSql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { storeFailed } from '../store/failures.ts'
import type { LendLimits } from './limits.ts'
import { identifier, literal, roleOf, schemaOf } from './names.ts'
import { type Credentials, makeCredentials, verifierOf } from './scram.ts'

/** What a module's statements run as, and where. */
export interface Access {
  module: string
  schema: string
  credentials: Credentials
}

const LOCK = 0x62756c6b_0005
/** Past the host's own clock: these hold when the host is gone. */
const LATE_MS = 2_000
const LOCK_MS = 2_000

/** What a session of a module begins with; the statements that could change it are not for modules. */
function settingsOf(schema: string, limits: LendLimits): Record<string, string> {
  return {
    search_path: identifier(schema),
    statement_timeout: `${limits.statementMs + limits.graceMs + LATE_MS}ms`,
    idle_in_transaction_session_timeout: `${limits.transactionMs + LATE_MS}ms`,
    lock_timeout: `${LOCK_MS}ms`,
    work_mem: '4MB',
    hash_mem_multiplier: '1',
    maintenance_work_mem: '16MB',
    temp_buffers: '1MB',
    max_parallel_workers_per_gather: '0',
    jit: 'off',
    client_min_messages: 'error',
    default_transaction_isolation: 'read committed',
    default_transaction_read_only: 'off',
    // The parser that judges a statement reads it so: the server has to read it alike.
    standard_conforming_strings: 'on',
    backslash_quote: 'safe_encoding',
    // How values arrive.
    datestyle: 'ISO, YMD',
    intervalstyle: 'iso_8601',
    timezone: 'UTC',
    bytea_output: 'hex',
    extra_float_digits: '1',
  }
}

/** What not every server lets us set; where it does not, the host's own limits have to do. */
function extrasOf(limits: LendLimits): Record<string, string> {
  return {
    temp_file_limit: `${Math.floor(limits.tempFileBytes / 1024)}kB`,
    client_connection_check_interval: '1000ms',
  }
}

/**
 * Makes a module's role and its schema, or sees to it that those that are there are as they should be. The role gets
 * another password each time: it is known to this process alone.
 *
 * The schema belongs to the platform. The role may use what is in it, and create there only while it migrates.
 *
 * @throws UNAVAILABLE with the grant that is missing; CONFLICT for a role that is more than a module's
 * @example const access = await prepareRole(database, 'pii-filter', LEND_LIMITS)
 */
export async function prepareRole(database: { sql: Sql; kind: 'embedded' | 'external' }, module: string, limits: LendLimits): Promise<Access> {
  const { sql, kind } = database
  const schema = schemaOf(module)
  const role = roleOf(module, kind === 'embedded' ? undefined : String(sql.options.database))
  const credentials = await makeCredentials(role)
  try {
    await sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${LOCK})`
      const us = await checkGrants(tx, schema)
      await makeRole(tx, us, { role, credentials, limits })
      await configure(tx, role, settingsOf(schema, limits))
      if (!us.there) await tx.unsafe(`create schema ${identifier(schema)}`)
      await tx.unsafe(`grant usage on schema ${identifier(schema)} to ${identifier(role)}`)
    })
    await configureExtras(sql, role, extrasOf(limits))
  } catch (error) {
    throw storeFailed(`make the role and the schema of ${module}`, error)
  }
  return { module, schema, credentials }
}

interface Us {
  name: string
  superuser: boolean
  /** Whether the schema is. */
  there: boolean
}

async function checkGrants(tx: TransactionSql, schema: string): Promise<Us> {
  const [us] = await tx<Array<Us & { maker: boolean; creates: boolean; database: string }>>`
    select current_user as name, rolsuper as superuser, rolcreaterole as maker, current_database() as database,
      has_database_privilege(current_database(), 'create') as creates,
      exists (select from pg_namespace where nspname = ${schema}) as there
    from pg_roles where rolname = current_user`
  if (us === undefined) throw new BulkheadError('UNAVAILABLE', 'cannot lend the database, its server does not know our role')
  const missing = [
    ...(us.superuser || us.maker ? [] : [`alter role ${identifier(us.name)} createrole`]),
    ...(us.creates || us.there ? [] : [`grant create on database ${identifier(us.database)} to ${identifier(us.name)}`]),
  ]
  if (missing.length === 0) return us
  throw new BulkheadError('UNAVAILABLE', `cannot lend the database, a grant is missing: ${missing.join('; ')}`, { missing })
}

async function makeRole(
  tx: TransactionSql,
  us: Us,
  { role, credentials, limits }: { role: string; credentials: Credentials; limits: LendLimits },
): Promise<void> {
  const [found] = await tx<Array<{ more: boolean }>>`
    select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
      or exists (select from pg_auth_members where member = r.oid) as more
    from pg_roles r where rolname = ${role}`
  if (found?.more) {
    throw new BulkheadError('CONFLICT', `cannot lend the database, the role ${role} may do more than a module's, or is a member of another`)
  }
  const name = identifier(role)
  // Hosts that share a database log in as the same roles.
  const attributes = `login noinherit connection limit ${limits.connectionsPerModule * 8} password ${literal(verifierOf(credentials))}`
  await tx.unsafe(`${found === undefined ? 'create' : 'alter'} role ${name} ${attributes}`)
  if (us.superuser) return
  // So that we may end its backends, and read its tables; it gains nothing by that.
  const [member] = await tx`select pg_has_role(current_user, ${role}, 'usage') as yes`
  if (member?.['yes'] !== true) await tx.unsafe(`grant ${name} to current_user`)
}

/** Only what differs: a change of a role waits for the disk. */
async function configure(sql: Sql | TransactionSql, role: string, settings: Record<string, string>): Promise<void> {
  const [found] = await sql<Array<{ set: string[] }>>`
    select setconfig as set from pg_db_role_setting where setdatabase = 0 and setrole = ${identifier(role)}::regrole`
  const set = new Set(found?.set)
  const statements = Object.entries(settings)
    .filter(([name, value]) => !set.has(`${name}=${value}`))
    .map(([name, value]) => `alter role ${identifier(role)} set ${name} = ${name === 'search_path' ? value : literal(value)}`)
  if (statements.length > 0) await sql.unsafe(statements.join(';'))
}

async function configureExtras(sql: Sql, role: string, settings: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    const set = sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${LOCK})` // another host may be at the same role
      await configure(tx, role, { [name]: value })
    })
    await set.catch(() => {})
  }
}
