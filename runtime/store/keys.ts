import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sql, TransactionSql } from 'postgres'
import { answered, asked, storeFailed } from './failures.ts'

/** Who a key stands for. */
export interface Caller {
  id: string
  name: string
  /** `*` is every scope. Its own, and those of its roles that operators have made. */
  scopes: string[]
  /** Names of its roles, the built-in ones among them. */
  roles: string[]
  /** The only modules that it may do anything about; null: all. */
  modules: string[] | null
  /** Null: as many as any key may ask. */
  requestsPerMinute: number | null
  /** Null: it does not end by itself. */
  expiresAt: Date | null
}

/** Fixed, so that each start finds the key it made, or was given, before. */
const MADE = '00000000-0000-7000-8000-000000000001'
const PRESET = '00000000-0000-7000-8000-000000000002'
const LOCK = 0x62756c6b_0004
const KEY = /^bk_([0-9a-f]{8})_[A-Za-z0-9_-]{43}$/
const LONGEST = 512

/**
 * Sees to it that somebody can administer a new installation: makes a key with every scope at the first start and
 * writes it to `<folder>/admin.key`, readable by the host's user alone. The database has its hash only.
 *
 * - A file that the operator has removed stays removed: the key is noted elsewhere, and goes on to work.
 * - A file without its key in the database (a new database, an old folder) has the key put there again.
 * - Where the database has another key than the file, as when it is shared, the file is left alone and not answered.
 * - `preset` takes the place of the preset before it, and no key is made; a start without it revokes it.
 *
 * @returns the file that holds a key which works, if there is one
 * @throws STORE_FAILED when the database or the folder cannot be written
 * @example const { file } = await ensureAdminKey(database.sql, { folder: '.bulkhead' })
 */
export async function ensureAdminKey(
  sql: Sql,
  { folder, preset }: { folder: string; preset?: string },
): Promise<{ file?: string }> {
  const path = join(folder, 'admin.key')
  try {
    return await sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${LOCK})`
      const given = preset === undefined ? null : digest(preset)
      await tx`delete from bulkhead.api_keys where id = ${PRESET} and hash is distinct from ${given}`
      if (preset !== undefined) {
        await save(tx, PRESET, 'admin (preset)', preset)
        return {}
      }
      const [made] = await tx<{ hash: Buffer }[]>`select hash from bulkhead.api_keys where id = ${MADE}`
      const kept = await readKey(path)
      if (made !== undefined) return kept !== undefined && timingSafeEqual(made.hash, digest(kept)) ? { file: path } : {}
      const key = kept ?? newKey()
      if (kept === undefined) await writeKey(folder, path, key)
      await save(tx, MADE, 'admin', key)
      return { file: path }
    })
  } catch (error) {
    throw storeFailed('make the admin key', error)
  }
}

/**
 * Who presents this key; undefined if nobody, or nobody any more. Asks the database each time.
 *
 * @throws STORE_FAILED when the database does not answer
 * @example const caller = await authenticate(sql, 'bk_…')
 */
export async function authenticate(sql: Sql, presented: string): Promise<Caller | undefined> {
  if (presented.length > LONGEST) return undefined
  const hash = digest(presented)
  const candidates = await asked('look up the key', () => answered(sql<Found[]>`
    select id, name, roles, modules, requests_per_minute as "requestsPerMinute", expires_at as "expiresAt", hash,
      scopes || array(select unnest(r.scopes) from bulkhead.roles r where r.name = any(k.roles)) as scopes
    from bulkhead.api_keys k
    where prefix = ${prefixOf(presented)} and revoked_at is null and (expires_at is null or expires_at > now())`))
  const row = candidates.find((candidate) => timingSafeEqual(candidate.hash, hash))
  if (row === undefined) return undefined
  // on the side, and to the minute: a request does not wait for it, a busy key does not rewrite its row
  sql`update bulkhead.api_keys set last_used_at = now()
    where id = ${row.id} and (last_used_at is null or last_used_at < now() - interval '1 minute')`.catch(() => {})
  const { hash: _, ...caller } = row
  return caller
}

/** SHA-256 of keys that would be let in now, in base64, those that were used last first. @throws STORE_FAILED */
export async function goodKeys(sql: Sql, most: number): Promise<string[]> {
  const rows = await asked('read the keys', () => sql<Array<{ hash: Buffer }>>`
    select hash from bulkhead.api_keys where revoked_at is null and (expires_at is null or expires_at > now())
    order by last_used_at desc nulls last, created_at desc limit ${most}`)
  return rows.map(({ hash }) => hash.toString('base64'))
}

interface Found extends Caller {
  hash: Buffer
}

async function save(tx: TransactionSql, id: string, name: string, key: string): Promise<void> {
  await tx`insert into bulkhead.api_keys (id, prefix, hash, name, scopes)
    values (${id}, ${prefixOf(key)}, ${digest(key)}, ${name}, ${['*']}) on conflict do nothing`
}

/** One round of SHA-256 is right for 32 random bytes, which nobody guesses; it would not be for a password. */
export function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

export function newKey(): string {
  return `bk_${randomBytes(4).toString('hex')}_${randomBytes(32).toString('base64url')}`
}

/** Of a key that was not made here (a preset), nothing is shown. */
export function prefixOf(key: string): string {
  return KEY.exec(key)?.[1] ?? 'preset'
}

/** A file that others can read may have been read: it is replaced, not trusted. */
async function readKey(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || (found.mode & 0o077) !== 0 || found.size > LONGEST) return undefined
  const key = (await readFile(path, 'utf8')).trim()
  return KEY.test(key) ? key : undefined
}

/** Whole or not at all: made under another name, by us alone, then moved into place. */
async function writeKey(folder: string, path: string, key: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const fresh = `${path}.${randomUUID()}`
  const file = await open(fresh, 'wx', 0o600)
  try {
    await file.writeFile(`${key}\n`)
    await file.sync()
    await file.close()
    await rename(fresh, path)
  } catch (error) {
    await file.close()
    await rm(fresh, { force: true })
    throw error
  }
}
