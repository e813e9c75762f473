import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bulkheadIn, type Ended } from '../api/cli/cli.setup.ts'

const LAUNCHER = createRequire(import.meta.url).resolve('deno/bin.cjs')
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-coverage-'))
  await cp('fixtures/coverage', join(folder, 'fixture'), { recursive: true })
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

const bulkhead = (cwd: string, ...args: string[]) => bulkheadIn({ cwd: join(folder, cwd) }, ...args)

function deno(cwd: string, ...args: string[]): Promise<Ended> {
  return new Promise((done) => {
    const env = { PATH: process.env['PATH'], HOME: folder, DENO_DIR: join(folder, '.deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
    execFile(process.execPath, [LAUNCHER, ...args], { cwd: join(folder, cwd), env }, (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
  })
}

const table = ({ stdout }: Ended) => stdout.split('\n').filter((line) => line.startsWith('|'))

describe('coverage', { timeout: 240_000 }, () => {
  test('is told in the figures of deno test --coverage, but that imports are no lines of a bundle', async () => {
    const [wanted, given] = [await deno('fixture', 'test', '--coverage'), await bulkhead('fixture', 'test', '--coverage')]
    expect(given.code).toBe(0)
    expect(table(wanted)).toEqual([
      '| File          | Branch % | Function % | Line % |',
      '| ------------- | -------- | ---------- | ------ |',
      '| numbers.ts    |     76.5 |       77.8 |   77.4 |',
      '| words/text.ts |     50.0 |      100.0 |   80.0 |',
      '| All files     |     73.7 |       80.0 |   77.6 |',
    ])
    expect(table(given).slice(0, 3)).toEqual(table(wanted).slice(0, 3))
    // Three lines of four instead of four of five.
    expect(table(given).slice(3)).toEqual([
      '| words/text.ts |     50.0 |      100.0 |   75.0 |',
      '| All files     |     73.7 |       80.0 |   77.2 |',
    ])
  })

  test('of a new module is told by module:test', async () => {
    const made = await bulkhead('.', 'module:create', 'covered', '--folder', 'covered')
    expect(made).toMatchObject({ code: 0 })
    const { code, stdout } = await bulkhead('.', 'module:test', 'covered', '--coverage')
    expect(code).toBe(0)
    expect(stdout).toMatch(/\n\| index.ts {2}\| +\d+\.\d \| +\d+\.\d \| +\d+\.\d \|\n\| All files \|/)
  })

  test('counts what nothing uses, and leaves tests and types out', async () => {
    await cp(join(folder, 'fixture/lib/words'), join(folder, 'unused/words'), { recursive: true })
    await writeFile(join(folder, 'unused/lib.ts'), 'export function used(): number {\n  return 1\n}\nexport function unused(): number {\n  return 2\n}\n')
    await writeFile(join(folder, 'unused/types.ts'), 'export interface Only {\n  a: string\n}\n')
    await writeFile(join(folder, 'unused/a_test.ts'), "import { used } from './lib.ts'\nimport type { Only } from './types.ts'\nDeno.test('a', () => { const only: Only = { a: `${used()}` }; if (only.a !== '1') throw new Error('no') })\n")
    const given = table(await bulkhead('unused', 'test', '--coverage'))
    expect(given.slice(2)).toEqual(['| lib.ts    |    100.0 |       50.0 |   50.0 |', '| All files |    100.0 |       50.0 |   50.0 |'])
    expect(table(await deno('unused', 'test', '--coverage'))).toEqual(given)
  })

  test('is of no help to a module that forges it, and a test that reaches a limit costs only its own', async () => {
    await cp('fixtures/coverage/lib/numbers.ts', join(folder, 'forged/numbers.ts'))
    await writeFile(join(folder, 'forged/a_test.ts'), `import { sign } from './numbers.ts'
Deno.test('forges', () => {
  new Function('function sign(){}; sign() //# sourceURL=bulkhead:///test')()
  for (let index = 0; index < 2_000; index++) (0, eval)('function f' + index + '(){} //# sourceURL=bulkhead:///test')
  if (sign(1) !== 'plus') throw new Error('no')
})`)
    const { code, stdout } = await bulkhead('forged', 'test', '--coverage')
    expect([code, stdout]).toEqual([0, expect.stringMatching(/\| numbers.ts \| +\d+\.\d \| +22\.2 \|/)])
    await writeFile(join(folder, 'forged/b_test.ts'), "Deno.test('greedy', () => { const all = []; for (;;) all.push(new Array(10_000).fill(all.length)) })\nDeno.test('next', () => {})")
    const greedy = await bulkhead('forged', 'test', '--coverage')
    expect(greedy.stdout).toMatch(/greedy => .*\nerror: MEMORY_LIMIT/)
    // As under Deno, a run that fails has no table.
    expect([greedy.code, table(greedy)]).toEqual([1, []])
  })

  test.each([
    [['test', '--coverage=profile'], '--coverage takes no value'],
    [['module:test', '.', '--coverage=profile'], "'--coverage' does not take an argument"],
    [['run', '--coverage', 'a.ts'], '--coverage cannot be given, it is measured by bulkhead test'],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await bulkhead('fixture', ...args)
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })
})
