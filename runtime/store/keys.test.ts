import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { authenticate, ensureAdminKey } from './keys.ts'
import { findExternal, openTemporary, type TemporaryDatabase } from './store.setup.ts'

const external = await findExternal()

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('keys', () => {
    let temporary: TemporaryDatabase
    let sql: Sql
    let folder: string
    let path: string

    beforeAll(async () => {
      temporary = await openTemporary(url)
      ;({ folder, database: { sql } } = temporary)
      path = join(folder, 'admin.key')
    })
    afterAll(() => temporary?.[Symbol.asyncDispose]())
    beforeEach(async () => {
      await sql`delete from bulkhead.api_keys`
      await rm(path, { force: true })
    })

    const written = async () => (await readFile(path, 'utf8')).trim()

    test('the first start makes an admin key, written once, readable by its owner alone', async () => {
      expect(await ensureAdminKey(sql, { folder })).toEqual({ file: path })
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      const key = await written()
      expect(key).toMatch(/^bk_[0-9a-f]{8}_[A-Za-z0-9_-]{43}$/)
      expect(await authenticate(sql, key)).toMatchObject({ name: 'admin', scopes: ['*'] })
      expect(await ensureAdminKey(sql, { folder })).toEqual({ file: path })
      expect(await written()).toBe(key)
    })

    test('the database holds no key, only its hash', async () => {
      await ensureAdminKey(sql, { folder })
      const [row] = await sql`select to_jsonb(k)::text as text from bulkhead.api_keys k`
      expect(row?.['text']).not.toContain((await written()).split('_')[2])
    })

    test('several first starts at once make one key', async () => {
      await Promise.all(Array.from({ length: 5 }, () => ensureAdminKey(sql, { folder })))
      expect(await sql`select 1 from bulkhead.api_keys`).toHaveLength(1)
      expect(await authenticate(sql, await written())).toBeDefined()
    })

    test('a new database takes the key of the file that is there', async () => {
      await ensureAdminKey(sql, { folder })
      const key = await written()
      await sql`delete from bulkhead.api_keys`
      expect(await ensureAdminKey(sql, { folder })).toEqual({ file: path })
      expect(await written()).toBe(key)
      expect(await authenticate(sql, key)).toBeDefined()
    })

    test('a file that others can read, or that holds no key, is replaced and not trusted', async () => {
      await ensureAdminKey(sql, { folder })
      const read = await written()
      await sql`delete from bulkhead.api_keys`
      await chmod(path, 0o644)
      await ensureAdminKey(sql, { folder })
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      expect(await authenticate(sql, read)).toBeUndefined()

      await sql`delete from bulkhead.api_keys`
      await writeFile(path, 'letmein\n')
      await ensureAdminKey(sql, { folder })
      expect(await authenticate(sql, 'letmein')).toBeUndefined()
      expect(await authenticate(sql, await written())).toBeDefined()
    })

    test('a file the operator removed stays removed, and its key goes on to work', async () => {
      await ensureAdminKey(sql, { folder })
      const key = await written()
      await rm(path)
      expect(await ensureAdminKey(sql, { folder })).toEqual({})
      await expect(stat(path)).rejects.toThrow('ENOENT')
      expect(await authenticate(sql, key)).toBeDefined()
    })

    test('a file with the key of another database is left alone and not answered', async () => {
      await ensureAdminKey(sql, { folder })
      const other = `bk_00000000_${'x'.repeat(43)}`
      await writeFile(path, other)
      expect(await ensureAdminKey(sql, { folder })).toEqual({})
      expect(await written()).toBe(other)
      expect(await authenticate(sql, other)).toBeUndefined()
    })

    test('a preset key takes the place of the former one, makes no file, and ends with the start without it', async () => {
      const [first, second] = [`bk_${'a'.repeat(32)}`, `bk_${'b'.repeat(32)}`]
      expect(await ensureAdminKey(sql, { folder, preset: first })).toEqual({})
      expect(await authenticate(sql, first)).toMatchObject({ scopes: ['*'] })
      await ensureAdminKey(sql, { folder, preset: second })
      expect(await authenticate(sql, first)).toBeUndefined()
      expect(await authenticate(sql, second)).toBeDefined()
      await expect(stat(path)).rejects.toThrow('ENOENT')
      expect(await ensureAdminKey(sql, { folder })).toEqual({ file: path })
      expect(await authenticate(sql, second)).toBeUndefined()
    })

    test('a preset that is the made key itself works, and so does the made key after it', async () => {
      await ensureAdminKey(sql, { folder })
      const preset = await written()
      await ensureAdminKey(sql, { folder, preset })
      expect(await authenticate(sql, preset)).toBeDefined()
      await ensureAdminKey(sql, { folder })
      expect(await authenticate(sql, preset)).toBeDefined()
    })

    test('a key that is revoked, expired, cut, lengthened or unknown is nobody', async () => {
      await ensureAdminKey(sql, { folder })
      const key = await written()
      for (const wrong of ['', key.slice(0, -1), `${key}x`, key.toUpperCase(), 'x'.repeat(513), `${key}\0`, '\ud800']) {
        expect(await authenticate(sql, wrong)).toBeUndefined()
      }
      await sql`update bulkhead.api_keys set expires_at = now() - interval '1 second'`
      expect(await authenticate(sql, key)).toBeUndefined()
      await sql`update bulkhead.api_keys set expires_at = now() + interval '1 hour'`
      expect(await authenticate(sql, key)).toBeDefined()
      await sql`update bulkhead.api_keys set revoked_at = now()`
      expect(await authenticate(sql, key)).toBeUndefined()
    })

    test('a folder that cannot be written to is said, and leaves no key behind that nobody knows', async () => {
      const blocked = join(folder, 'blocked')
      await writeFile(blocked, '')
      await expect(ensureAdminKey(sql, { folder: blocked })).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(await sql`select 1 from bulkhead.api_keys`).toHaveLength(0)
    })
  })
})
