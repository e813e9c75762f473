import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { completeContext } from '../runtime/context.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { type Database, openDatabase } from '../runtime/store/database.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const COUNT = 8
let folder: string
let database: Database
let runtime: Runtime

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-loss-'))
  await mkdir(join(folder, 'modules'))
  const yaml = await readFile('fixtures/neighbour/module.yaml', 'utf8')
  for (let n = 1; n <= COUNT; n++) {
    const module = join(folder, 'modules', `neighbour-${n}`)
    await cp('fixtures/neighbour', module, { recursive: true })
    await writeFile(join(module, 'module.yaml'), yaml.replace('name: neighbour', `name: neighbour-${n}`))
  }
  database = await openDatabase({ folder: join(folder, 'data'), log: silent })
  runtime = await startRuntime({ modules: join(folder, 'modules'), data: join(folder, 'data'), cells: 2, database, log: silent })
})

afterEach(async () => {
  await runtime?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))
const ask = (n: number) => runtime.executeHook('chat:after_ai', completeContext('chat:after_ai', { response: `call ${n}` }, `r${n}`))

test('a cell that is killed under load costs the calls in it and nothing else, and its modules come back unasked', async () => {
  const counts = { sent: 0, answered: 0, lost: 0, other: new Map<string, number>() }
  const acknowledged: string[] = []
  const one = async (n: number) => {
    const { extractions, failures } = await ask(n)
    counts.sent += COUNT
    counts.answered += COUNT - failures.length
    for (const { code, message } of failures) {
      if (code === 'CELL_LOST') counts.lost++
      else counts.other.set(`${code} ${message}`, (counts.other.get(`${code} ${message}`) ?? 0) + 1)
    }
    for (const { module, data } of extractions) acknowledged.push(`${module} ${String(data['to'])}`)
  }
  const cell = runtime.module('neighbour-1').cell as number
  let next = 0
  const load = Array.from({ length: 16 }, async () => {
    while (next < 600) {
      const n = next++
      if (n === 200) process.kill(cell, 'SIGKILL')
      await one(n)
      await nextTurn() // as callers over a network would; otherwise no event could tell that the cell is gone
    }
  })
  await Promise.all(load)

  expect(Object.fromEntries(counts.other)).toEqual({})
  expect(counts.answered + counts.lost).toBe(counts.sent)
  expect(counts.sent).toBe(600 * COUNT)
  expect(counts.lost).toBeGreaterThan(0)
  expect(counts.lost).toBeLessThanOrEqual(16 * COUNT)
  expect(acknowledged).toHaveLength(counts.answered)

  await expect.poll(() => runtime.modules().map(({ status }) => status)).toEqual(Array(COUNT).fill('ready'))
  expect(runtime.modules().map(({ cell }) => cell)).not.toContain(cell)
  const { failures } = await ask(-1)
  expect(failures).toEqual([])

  const kept = await database.sql<Array<{ key: string }>>`select module || ' ' || (data->>'to') as key from bulkhead.extractions`
  const stored = new Set(kept.map(({ key }) => key))
  expect(acknowledged.filter((key) => !stored.has(key))).toEqual([])
})

test('a cell that is killed while it is idle is replaced before anybody asks', async () => {
  const cell = runtime.module('neighbour-1').cell as number
  process.kill(cell, 'SIGKILL')
  await expect.poll(() => runtime.module('neighbour-1').cell).not.toBe(cell)
  await expect.poll(() => runtime.modules().map(({ status }) => status)).toEqual(Array(COUNT).fill('ready'))
  expect(runtime.modules().map(({ restarts }) => restarts)).toEqual(Array(COUNT).fill(0))
})

test('a call that comes while its module is brought back waits for it', async () => {
  process.kill(runtime.module('neighbour-1').cell as number, 'SIGKILL')
  await expect.poll(() => runtime.module('neighbour-1').status, { timeout: 30_000, interval: 1 }).toBe('starting')
  expect((await ask(0)).failures).toEqual([])
})
