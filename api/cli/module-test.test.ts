import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bulkhead } from './cli.setup.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

async function runTests(code: string, ...args: string[]): Promise<{ code: number; lines: string[] }> {
  await writeFile(join(folder, 'index_test.ts'), code)
  const { code: exitCode, stdout } = await bulkhead('module:test', folder, ...args)
  return { code: exitCode, lines: stdout.replace(/\(\d+ms\)/g, '(N ms)').split('\n') }
}

test('a run is reported as deno test reports it', async () => {
  const { code, lines } = await runTests(`
Deno.test('passes', () => {})
Deno.test.ignore('waits', () => {})
Deno.test('steps', async (t) => {
  await t.step('one', () => {})
  await t.step('two', () => { throw new RangeError('too far') })
})
Deno.test('talks', () => {
  console.log('hello')
  throw new Error('no')
})
`)
  expect(lines).toEqual([
    'running 4 tests from ./index_test.ts',
    'passes ... ok (N ms)',
    'waits ... ignored (N ms)',
    'steps ...',
    '  one ... ok (N ms)',
    '  two ... FAILED (N ms)',
    'steps ... FAILED (due to 1 failed step) (N ms)',
    'talks ...',
    '------- output -------',
    'hello',
    '----- output end -----',
    'talks ... FAILED (N ms)',
    '',
    ' ERRORS',
    '',
    'steps ... two => ./index_test.ts:4:6',
    'error: RangeError: too far',
    expect.stringMatching(/^ +at .*index_test.ts:6:/),
    expect.stringMatching(/^ +at /),
    '',
    'talks => ./index_test.ts:8:6',
    'error: Error: no',
    expect.stringMatching(/^ +at .*index_test.ts:10:/),
    '',
    ' FAILURES',
    '',
    'steps ... two => ./index_test.ts:4:6',
    'talks => ./index_test.ts:8:6',
    '',
    'FAILED | 1 passed (1 step) | 2 failed (1 step) | 1 ignored (N ms)',
    '',
    'error: Test failed',
    '',
  ])
  expect(code).toBe(1)
})

test('a run in which nothing fails ends with 0, and tells what the filter left out', async () => {
  const { code, lines } = await runTests(`Deno.test('one', () => {})\nDeno.test('two', () => {})`, '--filter', 'two')
  expect(lines).toEqual(['running 1 test from ./index_test.ts', 'two ... ok (N ms)', '', 'ok | 1 passed | 0 failed | 1 filtered out (N ms)', '', ''])
  expect(code).toBe(0)
})

test('a run of only some fails, as in Deno', async () => {
  const { code, lines } = await runTests(`Deno.test.only('one', () => {})\nDeno.test('two', () => {})`)
  expect(lines.at(-2)).toBe('error: Test failed because the "only" option was used')
  expect(code).toBe(1)
})

test('a file that cannot be run fails', async () => {
  const { code, lines } = await runTests(`throw new Error('at once')`)
  expect(lines).toContain('./index_test.ts (uncaught error)')
  expect(lines).toContain('error: Error: at once')
  expect(lines).toContain('FAILED | 0 passed | 1 failed (N ms)')
  expect(code).toBe(1)
})

test('what a terminal would obey is not obeyed in names', async () => {
  const { lines } = await runTests(`Deno.test('\\u001b[31mred\\nline', () => {})`)
  expect(lines[1]).toBe('\\u001b[31mred\\nline ... ok (N ms)')
})

test.each([
  [[], 2, 'no folder was named'],
  [['a', 'b'], 2, '"b" is another'],
  [['a', '--filter', '/(/'], 2, 'Invalid regular expression'],
  [['nowhere'], 1, 'there is no such folder'],
])('%j ends with %i', async (args, exitCode, message) => {
  const { code, stderr } = await bulkhead('module:test', ...args)
  expect(stderr).toContain(message)
  expect(code).toBe(exitCode)
})
