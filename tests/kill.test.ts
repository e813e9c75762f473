import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDatabase } from '../runtime/store/database.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
let folder: string
let host: ChildProcess | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kill-'))
  await mkdir(join(folder, 'modules/writer'), { recursive: true })
  await writeFile(join(folder, 'modules/writer/module.yaml'),
    'name: writer\nversion: 1.0.0\ndescription: a test module\nhooks: [chat:before_ai]\npermissions: [emit, kv]\nlimits: { maxExecutionMs: 30000, maxConcurrency: 24 }\n')
  await writeFile(join(folder, 'modules/writer/index.ts'), `export default { async handle(hook, { input: { n }, kv, emit }) {
    await Promise.all([emit('written', { n }), kv.set(['n', n], n), kv.atomic().sum(['sum'], 1n).commit()])
  } }`)
})
afterEach(async () => {
  host?.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

/** Runs a host until it is killed. @returns the calls that it answered, and the numbers used so far */
async function run(first: number, meanwhile: (answered: Set<number>) => Promise<void>): Promise<{ answered: Set<number>; next: number }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'writing-host.mjs'), folder, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] })
  host = child
  const answered = new Set<number>()
  let next = first
  const lines = createInterface({ input: child.stdout }).on('line', (line) => {
    const [what, n] = line.split(' ')
    if (what === 'answered') answered.add(Number(n))
    next = Math.max(next, Number(n) + 1)
  })
  const read = once(lines, 'close')
  while (answered.size === 0 && child.exitCode === null) await delay(20)
  await meanwhile(answered)
  child.kill('SIGKILL')
  await read
  return { answered, next: next + 1_000 }
}

async function lost(answered: Iterable<number>): Promise<{ extractions: number[]; keys: number[]; sum: bigint }> {
  await using database = await openDatabase({ folder: join(folder, 'data'), log: silent })
  const { sql } = database
  const emitted = await sql<Array<{ n: number }>>`select (data->>'n')::int as n from bulkhead.extractions`
  const kept = await sql<Array<{ value: Buffer }>>`select value from bulkhead.kv where kind = 'v'`
  const [sum] = await sql<Array<{ value: Buffer }>>`select value from bulkhead.kv where kind = 'u'`
  const found = { extractions: new Set(emitted.map(({ n }) => n)), keys: new Set(kept.map(({ value }) => Number(value.toString()))) }
  expect(emitted).toHaveLength(found.extractions.size)
  return {
    extractions: [...answered].filter((n) => !found.extractions.has(n)),
    keys: [...answered].filter((n) => !found.keys.has(n)),
    sum: sum?.value.readBigUInt64LE() ?? 0n,
  }
}

test('what was answered is there after the host was killed in the middle of its work, again and again', { timeout: 60_000 }, async () => {
  const all = new Set<number>()
  let first = 1
  for (let round = 0; round < 3; round++) {
    const { answered, next } = await run(first, () => delay(500))
    for (const n of answered) all.add(n)
    first = next
  }
  const { sum, ...missing } = await lost(all)
  expect(missing).toEqual({ extractions: [], keys: [] })
  expect(all.size).toBeGreaterThan(100)
  expect(sum).toBeGreaterThanOrEqual(BigInt(all.size))
})

test('what was answered is there after the server was killed under the host, which goes on with a new one', { timeout: 60_000 }, async () => {
  const { answered } = await run(1, async (answered) => {
    for (let round = 0; round < 3; round++) {
      await delay(400)
      const before = answered.size
      process.kill(Number.parseInt(await readFile(join(folder, 'data/postgres/postmaster.pid'), 'utf8'), 10), 'SIGKILL')
      for (const until = Date.now() + 15_000; answered.size < before + 100 && Date.now() < until; ) await delay(20)
      expect(answered.size).toBeGreaterThanOrEqual(before + 100)
    }
  })
  const { sum, ...missing } = await lost(answered)
  expect(missing).toEqual({ extractions: [], keys: [] })
  expect(sum).toBeGreaterThanOrEqual(BigInt(answered.size))
})
