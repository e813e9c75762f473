import postgres, { type Notice, type Sql } from 'postgres'
import { BulkheadError } from '../../bridge/errors.ts'
import { LOGIN } from './claim.ts'
import { startEmbedded } from './embedded.ts'
import { migrate } from './migrate.ts'
import { openPool } from './pool.ts'
import type { StoreLog } from './server.ts'

/** The platform's database, migrated. */
export interface Database extends AsyncDisposable {
  sql: Sql
  kind: 'embedded' | 'external'
  /** Which one, for people: never a user or a password. */
  describe: string
}

const POOL = 8
const OLDEST = 15

/**
 * Opens the database at `url`, or without one the embedded PostgreSQL in `<folder>/postgres`, which it starts,
 * starts again should it die, and stops when disposed; and brings its schema up to date.
 *
 * @throws UNAVAILABLE when it cannot be started or reached; CONFLICT when another host has the folder;
 * INVALID when the url is none; what `migrate` throws
 * @example await using database = await openDatabase({ folder: '.bulkhead', log })
 */
export async function openDatabase(options: { url?: string; folder: string; log: StoreLog }): Promise<Database> {
  const database = await (options.url === undefined ? openEmbedded(options) : openExternal(options.url, options.log))
  try {
    const applied = await migrate(database.sql)
    if (applied.length > 0) options.log.info({ applied }, 'the database was migrated')
    return database
  } catch (error) {
    await database[Symbol.asyncDispose]()
    throw error
  }
}

async function openEmbedded({ folder, log }: { folder: string; log: StoreLog }): Promise<Database> {
  const embedded = await startEmbedded({ folder, log })
  const sql = await openPool(POOL, undefined, { path: embedded.socket, ...LOGIN, ...settings(log) })
  return {
    sql,
    kind: 'embedded',
    describe: `embedded PostgreSQL ${embedded.version.split('-')[0]} in ${embedded.data}`,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 })
      await embedded[Symbol.asyncDispose]()
    },
  }
}

async function openExternal(url: string, log: StoreLog): Promise<Database> {
  const where = placeOf(url)
  let sql: Sql | undefined
  try {
    sql = await openPool(POOL, url, settings(log))
    const [row] = await sql`select current_setting('server_version_num')::int / 10000 as major,
      current_setting('server_version') as version`
    if (row?.['major'] < OLDEST) throw new Error(`it is PostgreSQL ${row?.['version']}, ${OLDEST} or later is needed`)
    const open = sql
    return {
      sql,
      kind: 'external',
      describe: `PostgreSQL ${row?.['version']} at ${where}`,
      [Symbol.asyncDispose]: () => open.end({ timeout: 1 }),
    }
  } catch (error) {
    await sql?.end({ timeout: 0 })
    // only the message is passed on, and no cause: what throws may hold the url
    throw new BulkheadError('UNAVAILABLE', `cannot use the database at ${where}: ${(error as Error).message}`)
  }
}

/** Hosts and database of an url, read as the driver reads it. */
function placeOf(url: string): string {
  if (/^postgres(ql)?:\/\//.test(url)) {
    try {
      const { host, port, database, path } = postgres(url).options
      return path ? `${path} (${database})` : `${host.map((name, index) => `${name}:${port[index]}`).join(',')}/${database}`
    } catch {
      // the parser's error quotes the url, with the password in it
    }
  }
  const form = 'postgres://user:password@host:port/database'
  throw new BulkheadError('INVALID', `cannot read DATABASE_URL: it is not of the form ${form}`)
}

function settings(log: StoreLog) {
  return {
    onnotice: (notice: Notice) => log.info({ notice: notice['message'] }, 'PostgreSQL notes'),
    connection: { application_name: 'bulkhead' },
  }
}
