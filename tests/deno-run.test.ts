import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const LAUNCHER = createRequire(import.meta.url).resolve('deno/bin.cjs')
const BULKHEAD = resolve('api/cli/bulkhead.ts')
let folder: string

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-run-'))
  await cp('fixtures/deno', folder, { recursive: true })
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

function ended(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((done) => {
    const all = { PATH: process.env['PATH'], HOME: folder, DENO_DIR: join(folder, '.deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', ...env }
    execFile(process.execPath, args, { cwd: folder, env: all, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      done({ code: error ? (error.code as number | null | undefined as number | null) : 0, stdout, stderr })
    })
  })
}
const bulkhead = (args: string[], env?: NodeJS.ProcessEnv) => ended([BULKHEAD, ...args], env)
const deno = (args: string[], env?: NodeJS.ProcessEnv) => ended([LAUNCHER, ...args], env)

async function script(name: string, code: string): Promise<string> {
  await writeFile(join(folder, name), code)
  return name
}

describe('bulkhead run', { timeout: 120_000 }, () => {
  test('prints for a tour of the APIs what deno run prints, and ends with the same code', async () => {
    const env = { TOUR: 'yes' }
    const wanted = await deno(['run', '--unstable-kv', '-A', 'tour.ts', 'one', '--two'], env)
    const given = await bulkhead(['run', '-A', 'tour.ts', 'one', '--two'], env)
    expect(wanted.stdout.split('\n').length).toBeGreaterThan(20)
    expect(given).toEqual(wanted)
  })

  test('takes an import map and a configuration by name, as deno run does, and none from outside of the folder', async () => {
    await writeFile(join(folder, 'map.json'), '{"imports":{"greeting":"data:text/javascript,export default 7"}}')
    await writeFile(join(folder, 'other.json'), '{"importMap":"./map.json"}')
    const file = await script('mapped.ts', "import greeting from 'greeting'\nconsole.log(greeting)")
    for (const flag of ['--import-map=map.json', '--config=other.json']) {
      expect([flag, await bulkhead(['run', flag, file])]).toEqual([flag, { code: 0, stdout: '7\n', stderr: '' }])
    }
    const refused = await bulkhead(['run', '--import-map=../map.json', file])
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--import-map=../map.json cannot be given, it lies outside of') })
  })

  test('grants only what its options say', async () => {
    const code = `
      const attempt = (run) => { try { return run() } catch (error) { return error.name } }
      console.log(attempt(() => Deno.env.get('ONE')), attempt(() => Deno.env.get('TWO')), attempt(() => typeof Deno.readTextFileSync('grants.ts')))
      const answer = await fetch('http://127.0.0.1:1/').catch((error) => error)
      console.log(answer.name)`
    const file = await script('grants.ts', code)
    const env = { ONE: '1', TWO: '2' }
    expect((await bulkhead(['run', file], env)).stdout).toBe('NotCapable NotCapable NotCapable\nNotCapable\n')
    expect((await bulkhead(['run', '--allow-env=ONE', '--allow-read', file], env)).stdout).toBe('1 NotCapable string\nNotCapable\n')
    expect((await bulkhead(['run', '-EN', file], env)).stdout).toBe('1 2 NotCapable\nTypeError\n')
  })

  test('ends as the script ends', async () => {
    const codes: Array<[number, string]> = [
      [0, 'Deno.exit(0); throw new Error("never")'],
      [5, 'try { Deno.exit(5) } finally { for (;;) {} }'],
      [8, 'setTimeout(() => { Deno.exitCode = 8 }, 10)'],
      [1, 'Promise.reject(new Error("nobody caught it"))'],
    ]
    const found = await Promise.all(codes.map(async ([code, text]) => (await bulkhead(['run', await script(`ends-${code}.ts`, text)])).code))
    expect(found).toEqual(codes.map(([code]) => code))
  })

  test('serves what calls Deno.serve on this machine alone, until it is ended', async () => {
    const port = await freePort()
    const file = await script('serves.ts', `Deno.serve({ port: ${port}, hostname: '0.0.0.0' }, (request) => new Response('at ' + new URL(request.url).pathname))`)
    const child = spawn(process.execPath, [BULKHEAD, 'run', file], { cwd: folder, env: { PATH: process.env['PATH'] } })
    let said = ''
    child.stderr.on('data', (chunk) => (said += String(chunk)))
    try {
      await expect.poll(() => said).toContain(`Listening on http://localhost:${port}/`)
      expect(await (await fetch(`http://127.0.0.1:${port}/here`)).text()).toBe('at /here')
    } finally {
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      expect((await exit)[0]).toBe(0)
    }
  })
})

describe('bulkhead test', { timeout: 120_000 }, () => {
  /** Times differ, and so do the frames of errors. */
  const outline = (output: string) =>
    output.split('\n').filter((line) => / \.\.\. (ok|FAILED|ignored)|^(running|ok \||FAILED \|)/.test(line)).map((line) => line.replace(/ \([\dµms]+\)$/, '').trim()).toSorted()

  test('tells of the same tests what deno test tells', async () => {
    const wanted = await deno(['test', '--no-check', 'tests/sample_test.ts'])
    const given = await bulkhead(['test', 'tests/sample_test.ts'])
    expect(given.code).toBe(wanted.code)
    expect(outline(given.stdout)).toEqual(outline(wanted.stdout))
    expect(given.stdout).toContain('said within')
    expect(given.stdout).toContain('error: TypeError: as it should')
    expect(given.stdout).toContain('Test case attempted to exit with exit code: 3')
  })

  test('runs those that a filter names, and of a file only what asks for it', async () => {
    expect((await bulkhead(['test', '--filter', 'adds', 'tests'])).stdout).toMatch(/ok \| 1 passed \| 0 failed \| \d filtered out/)
    await script('tests/only_test.ts', "Deno.test.only('this', () => {})\nDeno.test('that', () => { throw new Error('never') })")
    const { code, stdout } = await bulkhead(['test', 'tests/only_test.ts'])
    expect([code, stdout]).toEqual([1, expect.stringContaining('Test failed because the "only" option was used')])
  })

  test('ends with a failure where there is no test, unless that was permitted', async () => {
    expect(await bulkhead(['test', 'data'])).toMatchObject({ code: 1, stderr: 'error: No test modules found\n' })
    expect((await bulkhead(['test', '--permit-no-files', 'data'])).code).toBe(0)
  })

  test('gives tests what the command line grants', async () => {
    await script('tests/env_test.ts', "Deno.test('reads', () => { if (Deno.env.get('SHOWN') !== 'yes') throw new Error('not shown') })")
    expect((await bulkhead(['test', '--allow-env=SHOWN', 'tests/env_test.ts'], { SHOWN: 'yes' })).code).toBe(0)
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
