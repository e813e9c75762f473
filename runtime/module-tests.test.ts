import { glob, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestEvent, testModuleFolder } from './module-tests.ts'

const shipped = (await Array.fromAsync(glob('modules/*/module.yaml'))).map((file) => basename(dirname(file)))
let cache: string
let folder: string
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'bulkhead-cache-'))
})
afterAll(() => rm(cache, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-module-'))
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

async function run(code: string, filter?: string): Promise<TestEvent[]> {
  await writeFile(join(folder, 'index_test.ts'), code)
  return Array.fromAsync(testModuleFolder(folder, { cache, ...(filter !== undefined && { filter }) }))
}

const told = (events: TestEvent[]) => events.flatMap((event) => (event.type === 'test' ? [`${event.outcome.name}: ${event.outcome.status}`] : []))

test('tests are declared in every form of Deno.test, sync and async', async () => {
  const events = await run(`
    Deno.test('named', () => {})
    Deno.test('awaited', async () => { await null; await new Promise((done) => setTimeout(done, 5)) })
    Deno.test('with options', { permissions: 'none' }, () => {})
    Deno.test({ name: 'as an object', fn() {} })
    Deno.test({ name: 'object first', sanitizeOps: false }, () => {})
    Deno.test(function byFunction() {})
    Deno.test({ name: 'ignored', ignore: true, fn() { throw new Error('run') } })
    Deno.test.ignore('ignored too', () => { throw new Error('run') })`)
  expect(events[0]).toEqual({ type: 'file', file: 'index_test.ts', tests: 8, filteredOut: 0, only: false })
  expect(told(events)).toEqual([
    'named: ok', 'awaited: ok', 'with options: ok', 'as an object: ok', 'object first: ok', 'byFunction: ok', 'ignored: ignored', 'ignored too: ignored',
  ])
})

test('a failure tells where the test stands, and where it failed in the author’s lines', async () => {
  const [, event] = await run(`import { assertEquals } from '@bulkhead/sdk/testing'\n\nDeno.test('sums', async () => {\n  await null\n  assertEquals(1 + 1, 3)\n})`)
  expect(event).toMatchObject({
    at: 'index_test.ts:3:6',
    outcome: { status: 'failed', error: { name: 'AssertionError', message: expect.stringContaining('expected: 3'), stack: expect.stringMatching(/index_test.ts:5:3/) } },
  })
})

test('steps nest, and one that fails fails its test', async () => {
  const [, event] = await run(`
    Deno.test('outer', async (t) => {
      if (t.name !== 'outer') throw new Error(t.name)
      const passed = await t.step('first', async (t) => {
        await t.step(function inner(t) { if (t.parent.parent.name !== 'outer') throw new Error('lost') })
      })
      const failed = await t.step({ name: 'second', fn: () => { throw new Error('no') } })
      await t.step({ name: 'third', ignore: true, fn() {} })
      if (!passed || failed) throw new Error('wrong answers')
    })`)
  expect(event).toMatchObject({
    outcome: {
      status: 'failed',
      steps: [
        { name: 'first', status: 'ok', steps: [{ name: 'inner', status: 'ok' }] },
        { name: 'second', status: 'failed', error: { message: 'no' } },
        { name: 'third', status: 'ignored' },
      ],
    },
  })
  expect(event).not.toHaveProperty('outcome.error')
})

test('what is to be done before and after is done, also after a failure', async () => {
  const events = await run(`
    const calls = []
    Deno.test.beforeAll(() => calls.push('beforeAll'))
    Deno.test.beforeEach(async () => calls.push('beforeEach'))
    Deno.test.afterEach(() => calls.push('afterEach'))
    Deno.test('a', () => { throw new Error('a') })
    Deno.test('b', () => { throw new Error(calls.join()) })`)
  expect(events[2]).toMatchObject({ outcome: { error: { message: 'beforeAll,beforeEach,afterEach,beforeEach' } } })
})

test('only those chosen by only, and by the filter, are run', async () => {
  const some = `for (const name of ['one', 'two', 'three']) Deno.test(name, () => {})\n`
  expect(told(await run(some, 't'))).toEqual(['two: ok', 'three: ok'])
  expect(told(await run(some, '/^t.o$/'))).toEqual(['two: ok'])
  expect((await run(some, 'four'))[0]).toMatchObject({ tests: 0, filteredOut: 3 })
  const events = await run(`${some}Deno.test.only('four', () => {})`)
  expect(events[0]).toMatchObject({ tests: 1, filteredOut: 3, only: true })
  expect(told(events)).toEqual(['four: ok'])
})

test('a test that reaches a limit fails with it, and those after it run in a new isolate', async () => {
  const events = await run(`
    let runs = 0
    Deno.test('fills memory', () => { const all = []; for (;;) all.push(new Array(1000).fill({})) })
    Deno.test('goes on', () => { if (runs++ > 0) throw new Error('the isolate is the old one') })`)
  expect(told(events)).toEqual(['fills memory: failed', 'goes on: ok'])
  expect(events[1]).toMatchObject({ outcome: { error: { name: 'MEMORY_LIMIT' } } })
})

test('what a test says is told with it', async () => {
  const events = await run(`Deno.test('a', () => console.log('from a', { n: 1 }))\nDeno.test('b', () => console.warn('from b'))`)
  expect(events.slice(1)).toMatchObject([
    { output: [{ level: 'info', message: 'from a { n: 1 }' }] },
    { output: [{ level: 'warn', message: 'from b' }] },
  ])
})

test('a file that does not bundle or throws is told, and the others run', async () => {
  await mkdir(join(folder, 'tests'))
  await writeFile(join(folder, 'tests/absent_test.ts'), 'import "npm:nothing"')
  await writeFile(join(folder, 'tests/throwing_test.ts'), 'Deno.test("never", () => {})\nthrow new Error("at once")')
  await writeFile(join(folder, 'test.ts'), 'Deno.test("here", () => {})')
  await writeFile(join(folder, 'other.test.ts'), 'throw new Error("for another runner")')
  const events = await run('Deno.test("", () => {})')
  expect(events).toMatchObject([
    { type: 'broken', file: 'index_test.ts', error: { code: 'LOAD_FAILED', message: expect.stringContaining('it has no name') } },
    { type: 'file', file: 'test.ts' },
    { type: 'test', outcome: { name: 'here', status: 'ok' } },
    { type: 'broken', file: 'tests/absent_test.ts', error: { code: 'BUNDLE_FAILED' } },
    { type: 'broken', file: 'tests/throwing_test.ts', error: { code: 'LOAD_FAILED', details: { stack: expect.stringContaining('throwing_test.ts:2:7') } } },
  ])
})

test('a folder without tests, or none, is refused', async () => {
  await expect(Array.fromAsync(testModuleFolder(folder, { cache }))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(Array.fromAsync(testModuleFolder(join(folder, 'none'), { cache }))).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test.each(shipped)('the tests of %s pass in an isolate', async (name) => {
  const events = await Array.fromAsync(testModuleFolder(`modules/${name}`, { cache }))
  expect(events.filter((event) => event.type === 'broken' || (event.type === 'test' && event.outcome.status !== 'ok'))).toEqual([])
  expect(told(events).length).toBeGreaterThan(0)
})
