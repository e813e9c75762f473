import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDatabase } from '../store/database.ts'
import { collectLog, findExternal, temporaryFolder } from '../store/store.setup.ts'
import { type LendLab, lendFrom, openLendLab, refusalOf } from './lend.setup.ts'
import { identifier, roleOf, schemaOf } from './names.ts'
import { openLend } from './lend.ts'

const external = await findExternal()

describe('names', () => {
  const longest = `a${'-very'.repeat(12)}-x`

  test('of a module are its own, hyphens and all', () => {
    expect(schemaOf('pii-filter')).toBe('mod_pii-filter')
    expect(roleOf('pii-filter', undefined)).toBe('mod_pii-filter')
    expect(roleOf('pii-filter', 'chat')).toBe('mod_pii-filter.chat')
    expect(identifier('a"b')).toBe('"a""b"')
  })

  test('fit into an identifier, and differ where the modules differ', () => {
    expect(longest).toHaveLength(63)
    const names = [longest, `${longest.slice(0, 62)}y`, 'a'.repeat(59), 'a'.repeat(60), 'a'.repeat(63)].flatMap((module) => [
      schemaOf(module),
      roleOf(module, 'chat'),
      roleOf(module, 'ü'.repeat(40)),
    ])
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63)
    expect(schemaOf('a'.repeat(59))).toBe(`mod_${'a'.repeat(59)}`)
  })
})

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  const there = kind === 'embedded' || url !== undefined
  let lab: LendLab

  beforeAll(async () => {
    if (there) lab = await openLendLab(url)
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())

  describe.runIf(there)('roles', () => {
    test('a module with the longest name has a schema of its own', async () => {
      const module = `m${'x'.repeat(62)}`
      await lab.define(module, 'create table notes (text text)')
      const { sql, end } = lab.execution(module)
      expect((await sql('insert into notes values ($1)', 'x')).count).toBe(1)
      expect((await sql(`select text from "${schemaOf(module)}".notes`)).rows).toEqual([['x']])
      end()
    })

    test('hosts that share a database take the password from each other, and go on', async () => {
      await lab.define('shared', 'create table notes (text text)')
      await using other = openLend(lab.database, { log: collectLog() })
      const first = lab.execution('shared')
      await first.sql('select 1')
      await other.prepare('shared')
      const second = lab.execution('shared')
      const held = await Promise.all([first.begin(), second.begin()])
      expect((await second.sql('select from notes')).count).toBe(0)
      expect(held).toHaveLength(2)
      first.end()
      second.end()
    })

    test('a role that may do more than a module is not taken over', async () => {
      const role = roleOf('grown', kind === 'embedded' ? undefined : String(lab.database.sql.options.database))
      await lab.database.sql.unsafe(`create role ${identifier(role)} createdb`)
      lab.execution('grown').end()
      expect(await refusalOf(lab.lend.prepare('grown'))).toMatchObject({ code: 'CONFLICT' })
      await lab.database.sql.unsafe(`alter role ${identifier(role)} nocreatedb; grant pg_read_all_data to ${identifier(role)}`)
      expect(await refusalOf(lab.lend.prepare('grown'))).toMatchObject({ code: 'CONFLICT' })
      await lab.database.sql.unsafe(`revoke pg_read_all_data from ${identifier(role)}`)
      expect(await lab.lend.prepare('grown')).toMatchObject({ schema: 'mod_grown' })
    })

    test('no password is ever part of a statement', async () => {
      const { credentials } = await lab.lend.prepare('secretive')
      lab.execution('secretive').end()
      const [found] = await lab.database.sql`select rolpassword from pg_authid where rolname = ${credentials.user}`
      expect(found?.['rolpassword']).toMatch(/^SCRAM-SHA-256\$/)
      expect(found?.['rolpassword']).not.toContain(credentials.password)
    })
  })
})

describe.runIf(external !== undefined)('on an external server, without a superuser', () => {
  const name = `bulkhead_test_${randomUUID().slice(0, 8)}`
  const url = external?.replace('postgres@', `${name}@`).replace(/\/test$/, `/${name}`) ?? ''
  let admin: Sql
  let lab: LendLab
  let folder: string

  beforeAll(async () => {
    admin = postgres(external ?? '', { max: 1, onnotice() {} })
    await admin.unsafe(`create role ${name} login createrole`)
    await admin.unsafe(`create database ${name}`)
    await admin.unsafe(`grant create on database ${name} to ${name}`)
    folder = await temporaryFolder()
    const log = collectLog()
    const database = await openDatabase({ url, folder, log })
    const temporary = { database, folder, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() }
    lab = await lendFrom(temporary, { statementMs: 500, graceMs: 200 })
  })
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]()
    await admin.unsafe(`drop database ${name} with (force)`)
    await admin.unsafe(`drop role if exists "mod_plain.${name}", "mod_late.${name}", "mod_later.${name}"`)
    await admin.unsafe(`drop role ${name}`)
    await admin.end()
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  })

  test('modules have their tables, and are stopped when late', async () => {
    await lab.define('plain', 'create table notes (text text)')
    const { sql, end } = lab.execution('plain')
    expect((await sql('insert into notes values ($1) returning text', 'x')).rows).toEqual([['x']])
    expect(await refusalOf(sql('select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b'))).toMatchObject({ code: 'TIMEOUT' })
    end()
  })

  test('the operator is told what would bound modules better', async () => {
    expect(lab.log.lines.join('\n')).toContain(`revoke temporary on database \\"${name}\\" from public`)
    expect(lab.log.lines.join('\n')).toContain(`grant set on parameter temp_file_limit to \\"${name}\\"`)
  })

  test('a grant that is missing is named', async () => {
    await admin.unsafe(`revoke create on database ${name} from ${name}`)
    expect(await refusalOf(lab.lend.prepare('late'))).toMatchObject({
      code: 'UNAVAILABLE',
      message: `cannot lend the database, a grant is missing: grant create on database "${name}" to "${name}"`,
    })
    await admin.unsafe(`alter role ${name} nocreaterole`)
    expect(await refusalOf(lab.lend.prepare('later'))).toMatchObject({
      details: { missing: [`alter role "${name}" createrole`, `grant create on database "${name}" to "${name}"`] },
    })
  })

  test('when the server has no connection to spare, a module is told so', async () => {
    await admin.unsafe(`alter role ${name} createrole`)
    const again = { database: lab.database, folder, async [Symbol.asyncDispose]() {} }
    await using full = await lendFrom(again, { connectionsLeft: 10_000 })
    expect(await refusalOf(full.execution('plain').sql('select 1'))).toMatchObject({ code: 'BUSY', message: expect.stringContaining('no connection to spare') })
    await using limited = await lendFrom(again, {})
    await limited.lend.prepare('plain')
    await admin.unsafe(`alter role "mod_plain.${name}" connection limit 0`)
    expect(await refusalOf(limited.execution('plain').sql('select 1'))).toMatchObject({ code: 'BUSY' })
  })
})
