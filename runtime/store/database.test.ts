import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { appendFile, chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openDatabase } from './database.ts'
import { openRecords } from './records.ts'
import { collectLog, findExternal, openTemporary, someExtraction, temporaryFolder } from './store.setup.ts'

const isRoot = process.getuid?.() === 0
const isLinux = process.platform === 'linux'
const external = await findExternal()

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder()
  await chmod(folder, 0o755)
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

const open = (log = collectLog()) => openDatabase({ folder, log })

function serverPid(where = folder): number {
  return Number.parseInt(readFileSync(join(where, 'postgres', 'postmaster.pid'), 'utf8'), 10)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** A host in a process of its own, as another start of the product would be. */
async function startHost(options: { uid?: number; gid?: number } = {}): Promise<{ child: ChildProcess; said: string }> {
  const code = `
    const { openDatabase } = await import(${JSON.stringify(join(import.meta.dirname, 'database.ts'))})
    const log = { info() {}, warn() {}, error() {} }
    try {
      const database = await openDatabase({ folder: ${JSON.stringify(folder)}, log })
      await database.sql\`create table if not exists kept (a int)\`
      await database.sql\`insert into kept values (1)\`
      console.log('open')
      setInterval(() => {}, 1000)
    } catch (error) {
      console.log(error.code, error.message)
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'], ...options })
  const [said] = await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
  return { child, said: String(said).trim() }
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

describe('the embedded server', () => {
  test('is made at the first start, keeps what it has, and ends when disposed', async () => {
    const first = await open()
    await first.sql`create table kept (a int)`
    await first.sql`insert into kept values (1)`
    expect(first).toMatchObject({ kind: 'embedded', describe: expect.stringMatching(/^embedded PostgreSQL \d+\.\d+/) })
    const pid = serverPid()
    await first[Symbol.asyncDispose]()
    expect(isAlive(pid)).toBe(false)
    expect(readdirSync(folder)).toEqual(['postgres'])

    await using second = await open()
    expect([...(await second.sql`select a from kept`)]).toEqual([{ a: 1 }])
    expect(serverPid()).not.toBe(pid)
  })

  test('listens on a socket that others cannot reach, and on no port', async () => {
    await using database = await open()
    const [row] = await database.sql`select current_setting('listen_addresses') as addresses, current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as commit, inet_server_addr() as address`
    expect(row).toEqual({ addresses: '', fsync: 'on', commit: 'on', address: null })
    expect(statSync(join(folder, 'postgres')).mode & 0o077).toBe(0)
    expect(statSync(join(folder, 'postgres', '.s.PGSQL.5432')).mode & 0o077).toBe(0)
  })

  test('asks every role but the host\'s own for a password', async () => {
    await using database = await open()
    await database.sql`create role guest login password 'right'`
    const rules = await database.sql<{ method: string }[]>`
      select type, user_name, auth_method as method from pg_hba_file_rules order by rule_number`
    expect([...rules]).toEqual([
      { type: 'local', user_name: ['bulkhead'], method: 'trust' },
      { type: 'local', user_name: ['all'], method: 'scram-sha-256' },
    ])
  })

  test.runIf(isLinux)('gets nothing of the environment, where secrets are', async () => {
    process.env['STORE_TEST_SECRET'] = 'hunter2'
    await using _database = await open()
    delete process.env['STORE_TEST_SECRET']
    expect(readFileSync(`/proc/${serverPid()}/environ`, 'utf8')).not.toContain('hunter2')
  })

  test('belongs to one host at a time, the second is told the pid of the first', async () => {
    const { child, said } = await startHost()
    expect(said).toBe('open')
    await expect(open()).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining(`pid ${child.pid}`) })
    expect(child.exitCode).toBeNull()
    await kill(child)
  })

  test('belongs to one of several hosts that start it at the same time', async () => {
    const starts = await Promise.allSettled([open(), open(), open()])
    const won = starts.filter((start) => start.status === 'fulfilled')
    const lost = starts.filter((start) => start.status === 'rejected')
    const conflict = expect.stringContaining('a data folder has one host at a time')
    expect(lost.map(({ reason }) => String(reason))).toEqual([conflict, conflict])
    expect(won).toHaveLength(1)
    for (const { value } of won) {
      expect([...(await value.sql`select 1 as a`)]).toEqual([{ a: 1 }])
      await value[Symbol.asyncDispose]()
    }
  })

  test('ends soon after a host that is killed, and keeps what was committed', async () => {
    const { child } = await startHost()
    const pid = serverPid()
    await kill(child)
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 30_000)
    await using database = await open()
    expect([...(await database.sql`select a from kept`)]).toEqual([{ a: 1 }])
  })

  test('can be opened at once after a host was killed', async () => {
    for (let round = 0; round < 3; round++) await kill((await startHost()).child)
    await using database = await open()
    expect(await database.sql`select a from kept`).toHaveLength(3)
  })

  test.runIf(isLinux)('that a killed host left behind is ended by the next', async () => {
    const { child } = await startHost()
    const pid = serverPid()
    for (const watcher of watchersOf(pid)) process.kill(watcher, 'SIGKILL')
    await kill(child)
    await delay(300)
    expect(isAlive(pid)).toBe(true)
    const log = collectLog()
    await using database = await open(log)
    expect(log.lines.join('\n')).toContain('ending the PostgreSQL that a killed host left behind')
    expect([isAlive(pid), serverPid() === pid]).toEqual([false, false])
    expect(await database.sql`select a from kept`).toHaveLength(1)
  })

  test('killed together with its host, starts again with all that was committed', async () => {
    const { child } = await startHost()
    process.kill(serverPid(), 'SIGKILL')
    await kill(child)
    await using database = await open()
    expect(await database.sql`select a from kept`).toHaveLength(1)
  })

  test.runIf(isLinux)('starts over the pid file of a server that is gone, though its pid is another process now', async () => {
    await (await open())[Symbol.asyncDispose]()
    const other = isRoot ? spawn('/bin/sleep', ['60'], ownerOf(folder)) : spawn('/bin/sleep', ['60'])
    const file = join(folder, 'postgres', 'postmaster.pid')
    await writeFile(file, `${other.pid}\n${join(folder, 'postgres')}\n1700000000\n5432\n.\n\n  1234567    999999\nready   \n`)
    if (isRoot) chownSync(file, ownerOf(folder).uid, ownerOf(folder).gid)
    const log = collectLog()
    await using _database = await open(log)
    expect(log.lines.join('\n')).toContain('removing the postmaster.pid')
    expect(other.exitCode).toBeNull()
    other.kill('SIGKILL')
  })

  test.runIf(isLinux)('is started again though one of its processes outlives it', async () => {
    const log = collectLog()
    await using database = await open(log)
    const [row] = await database.sql`select pg_backend_pid() as pid`
    process.kill(row?.['pid'], 'SIGSTOP')
    process.kill(serverPid(), 'SIGKILL')
    await vi.waitFor(() => expect(log.lines.join('\n')).toContain('runs again'), 30_000)
    expect(log.lines.join('\n')).toContain('killing what is left')
    await vi.waitFor(async () => expect([...(await database.sql`select 1 as a`)]).toEqual([{ a: 1 }]), 30_000)
  })

  test('is started again when it dies, and loses nothing that was acknowledged', async () => {
    const log = collectLog()
    await using database = await open(log)
    const records = openRecords(database.sql)
    const acknowledged: string[] = []
    const stop = new AbortController()
    const emitters = Array.from({ length: 50 }, async () => {
      while (!stop.signal.aborted) {
        const row = someExtraction()
        await records.addExtractions([row])
        acknowledged.push(row.execution)
      }
    })
    for (let round = 0; round < 3; round++) {
      await delay(300)
      const pid = serverPid()
      process.kill(pid, 'SIGKILL')
      await vi.waitFor(() => expect(log.lines.filter((line) => line.includes('runs again'))).toHaveLength(round + 1), 30_000)
      expect(serverPid()).not.toBe(pid)
    }
    stop.abort()
    await Promise.all(emitters)
    const rows = await database.sql<{ execution: string }[]>`select execution from bulkhead.extractions`
    const stored = new Set(rows.map(({ execution }) => execution))
    expect(acknowledged.length).toBeGreaterThan(0)
    expect(acknowledged.filter((execution) => !stored.has(execution))).toEqual([])
    await records.close()
  }, 60_000)

  test('survives the kill of one of its processes', async () => {
    await using database = await open()
    const [row] = await database.sql`select pg_backend_pid() as pid`
    process.kill(row?.['pid'], 'SIGKILL')
    await vi.waitFor(async () => expect([...(await database.sql`select 1 as a`)]).toEqual([{ a: 1 }]), 30_000)
  })

  test('keeps its folder when the connection that claims it is cut', async () => {
    await using database = await open()
    await database.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ '^bulkhead \\d'`
    await vi.waitFor(async () => {
      const claims = await database.sql`select 1 from pg_locks where locktype = 'advisory' and granted`
      expect(claims).toHaveLength(1)
    }, 30_000)
    await expect(open()).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('that cannot start says why, and what else there is', async () => {
    await (await open())[Symbol.asyncDispose]()
    await appendFile(join(folder, 'postgres', 'postgresql.conf'), '\nnonsense = 1\n')
    const message = expect.stringMatching(/unrecognized configuration parameter "nonsense"[^]*DATABASE_URL/)
    await expect(open()).rejects.toMatchObject({ code: 'UNAVAILABLE', message })
  })

  test('of another major version is refused, with a way out', async () => {
    await (await open())[Symbol.asyncDispose]()
    await writeFile(join(folder, 'postgres', 'PG_VERSION'), '9\n')
    const message = expect.stringMatching(/made by PostgreSQL 9, .* export the data[^]*DATABASE_URL/)
    await expect(open()).rejects.toMatchObject({ code: 'UNAVAILABLE', message })
  })

  test('that was made half-way by a start that was killed is made anew', async () => {
    await mkdir(join(folder, 'postgres.new-left-over', 'base'), { recursive: true })
    await using _database = await open()
    expect(readdirSync(folder)).toEqual(['postgres'])
  })

  test('works below a path that is too long for a socket', async () => {
    const deep = join(folder, 'x'.repeat(60), 'y'.repeat(60))
    const log = collectLog()
    const first = await openDatabase({ folder: deep, log })
    await expect(openDatabase({ folder: deep, log })).rejects.toMatchObject({ code: 'CONFLICT' })
    expect([...(await first.sql`select 1 as a`)]).toEqual([{ a: 1 }])
    await first[Symbol.asyncDispose]()
    expect(existsSync(join(deep, 'postgres', 'PG_VERSION'))).toBe(true)
  })

  test.runIf(isRoot && isLinux)('works for root below a folder that nobody else may enter', async () => {
    await chmod(folder, 0o700)
    const first = await open()
    expect(statSync(join(folder, 'postgres')).uid).not.toBe(0)
    await first.sql`create table kept as select 1 as a`
    await first[Symbol.asyncDispose]()
    await using second = await open()
    process.kill(serverPid(), 'SIGKILL')
    await vi.waitFor(async () => expect(await second.sql`select a from kept`).toHaveLength(1), 30_000)
  })

  test.runIf(isRoot)('runs as the owner of its folder, if that is not root', async () => {
    const first = await open()
    await first[Symbol.asyncDispose]()
    for (const name of readdirSync(folder, { recursive: true })) chownSync(join(folder, String(name)), 65_534, 65_534)
    await using _second = await open()
    expect(statSync(join(folder, 'postgres', 'postmaster.pid')).uid).toBe(65_534)
  })

  test.runIf(isRoot)('works for a host that is not root', async () => {
    chownSync(folder, 65_534, 65_534)
    const { child, said } = await startHost({ uid: 65_534, gid: 65_534 })
    expect(said).toBe('open')
    await kill(child)
  })

  test('in a folder that cannot be made is refused', async () => {
    await writeFile(join(folder, 'file'), '')
    await expect(openDatabase({ folder: join(folder, 'file'), log: collectLog() })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('an external server', () => {
  const secret = randomBytes(8).toString('hex')

  test.each([
    ['nobody listens', `postgres://someone:${secret}@127.0.0.1:1/there`, 'UNAVAILABLE', '127.0.0.1:1/there'],
    ['the name does not exist', `postgres://someone:${secret}@nowhere.invalid/there`, 'UNAVAILABLE', 'nowhere.invalid'],
    ['the port is none', `postgres://someone:${secret}@host:port/there`, 'INVALID', 'DATABASE_URL'],
    ['the scheme is another', `mysql://someone:${secret}@host/there`, 'INVALID', 'DATABASE_URL'],
    ['there is no scheme', `someone:${secret}@host/there`, 'INVALID', 'DATABASE_URL'],
  ])('where %s is an error that holds no password', async (_what, url, code, named) => {
    const error = await openDatabase({ url, folder, log: collectLog() }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code, message: expect.stringContaining(named) })
    expect(`${(error as Error).stack} ${JSON.stringify(error)} ${String((error as Error).cause)}`).not.toContain(secret)
  })

  test('that hangs up at once is given up', async () => {
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const url = `postgres://someone:${secret}@127.0.0.1:${port}/there`
    await expect(openDatabase({ url, folder, log: collectLog() })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    server.close()
  })

  test.skipIf(external === undefined)('is described without its user, migrated, and left alone when disposed', async () => {
    await using temporary = await openTemporary(external)
    const { kind, describe: described, sql } = temporary.database
    expect([kind, described]).toEqual(['external', expect.stringMatching(/^PostgreSQL \d+.* at 127\.0\.0\.1:5432\/bulkhead_test_/)])
    expect(described).not.toContain('postgres@')
    expect(await sql`select 1 from bulkhead.migrations`).not.toHaveLength(0)
    expect(existsSync(join(temporary.folder, 'postgres'))).toBe(false)
  })

  test.skipIf(external === undefined)('without the right to make a schema is told which grant is missing', async () => {
    await using temporary = await openTemporary(external)
    const { sql } = temporary.database
    const role = `guest_${secret}`
    const [row] = await sql`select current_database() as name`
    await sql.unsafe(`create role ${role} login; drop schema bulkhead cascade`)
    const url = (external ?? '').replace('postgres@', `${role}@`).replace(/\/test$/, `/${row?.['name']}`)
    const message = expect.stringContaining(`grant create on database ${row?.['name']} to ${role}`)
    await expect(openDatabase({ url, folder, log: collectLog() })).rejects.toMatchObject({ code: 'STORE_FAILED', message })
    await sql.unsafe(`grant create on database ${row?.['name']} to ${role}`)
    const granted = await openDatabase({ url, folder, log: collectLog() })
    await granted[Symbol.asyncDispose]()
    await sql.unsafe(`drop owned by ${role}; drop role ${role}`)
  })
})

/** The shells that end a server with its host. */
function watchersOf(pid: number): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((each) => {
    try {
      return readFileSync(`/proc/${each}/cmdline`, 'utf8').includes(`kill -INT "$1"\0sh\0${pid}\0`)
    } catch {
      return false
    }
  })
}

function ownerOf(where: string): { uid: number; gid: number } {
  const { uid, gid } = statSync(join(where, 'postgres'))
  return { uid, gid }
}
