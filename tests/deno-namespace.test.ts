import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Lab, openLab } from './module-lab.ts'

let lab: Lab

/** A module that runs what it is sent, and answers with what came of it. */
const CODE = `
const tried = (run) => { try { return run() ?? null } catch (error) { return [error.constructor.name, error instanceof Deno.errors.NotCapable, error.message] } }
const run = (text) => (0, eval)('(async (tried) => { ' + text + ' })')(tried)
export default { fetch: async (request) => Response.json((await run(await request.text())) ?? null) }
`

beforeAll(async () => {
  lab = await openLab()
  await lab.write('reader', 'permissions: [log, kv, "env:SHOWN"]\nlimits: { maxMemoryMB: 128, maxExecutionMs: 10000, maxCpuMs: 10000 }', CODE)
  const folder = join(lab.folder, 'modules/reader')
  await mkdir(join(folder, 'data/deep'), { recursive: true })
  await writeFile(join(folder, 'data/words.txt'), 'näher\n')
  await writeFile(join(folder, 'data/bytes.bin'), Buffer.from([0, 255, 254, 1]))
  await writeFile(join(folder, 'data/large.txt'), 'x'.repeat(2 * 1024 * 1024))
  await writeFile(join(lab.folder, 'outside.txt'), 'secret')
  await symlink(join(lab.folder, 'outside.txt'), join(folder, 'data/link.txt'))
  await symlink(lab.folder, join(folder, 'data/up'))
  await symlink('words.txt', join(folder, 'data/inside.txt'))
  await lab.write('timed', 'permissions: [log]', "let runs = 0\nDeno.cron('tick tock', '* * * * * *', () => { console.log('tick', ++runs) })\nDeno.cron('bad', 'never', () => {})")
  await lab.start()
  await lab.ready()
}, 120_000)
afterAll(() => lab?.[Symbol.asyncDispose]())

async function run(text: string): Promise<unknown> {
  const { body } = await lab.runtime.http.fetch('reader', {
    method: 'POST',
    url: 'http://localhost/',
    headers: [],
    body: new Blob([text]).stream(),
    remote: { hostname: '127.0.0.1', port: 0 },
    signal: new AbortController().signal,
  })
  const answer = new TextDecoder().decode(body as Uint8Array)
  return answer.startsWith('Internal') ? answer : JSON.parse(answer)
}

describe("a module's own folder", () => {
  test('is read with its texts and bytes, synchronously or not, by path and by address', async () => {
    expect(await run("return [Deno.cwd(), Deno.readTextFileSync('data/words.txt'), await Deno.readTextFile('./data/inside.txt'), [...await Deno.readFile(new URL('file:///reader/data/bytes.bin'))]]")).toEqual([
      '/reader', 'näher\n', 'näher\n', [0, 255, 254, 1],
    ])
    expect(await run("const names = []; for await (const { name, isFile } of Deno.readDir('data')) names.push([name, isFile]); return names")).toEqual([
      ['bytes.bin', true], ['inside.txt', true], ['large.txt', true], ['words.txt', true],
    ])
    expect(await run("const { size, isFile } = await Deno.stat('data/words.txt'); return [size, isFile, Deno.realPathSync('data/../data/words.txt')]")).toEqual([7, true, '/reader/data/words.txt'])
  })

  test('is left by no path and no link', async () => {
    for (const path of ['/etc/passwd', '../outside.txt', 'data/../../../etc/passwd', '/reader/../etc/passwd', '/proc/self/environ', 'file:///etc/passwd', '/tmp/../etc/passwd', '/reader2/x']) {
      for (const read of ['readTextFileSync', 'readFileSync', 'statSync', 'lstatSync', 'realPathSync', 'readDirSync', 'openSync']) {
        expect(await run(`return tried(() => Deno.${read}(${path.startsWith('file:') ? `new URL('${path}')` : JSON.stringify(path)}))`), `${read} ${path}`).toMatchObject(['NotCapable', true, expect.stringContaining('read access')])
      }
    }
    for (const path of ['data/link.txt', 'data/up/outside.txt', 'data/up/data/postgres']) {
      expect(await run(`return tried(() => Deno.readTextFileSync(${JSON.stringify(path)}))`)).toMatchObject([expect.stringMatching(/^Not(Found|ADirectory)$/), false, expect.anything()])
    }
  })

  test('is not written, and lends no more than 2 MiB', async () => {
    for (const write of ["writeTextFileSync('data/new.txt', 'x')", "removeSync('data/words.txt')", "mkdirSync('more')", "renameSync('data/words.txt', '/tmp/w')", "truncateSync('data/words.txt')", "openSync('data/words.txt', { write: true })"]) {
      expect(await run(`return tried(() => Deno.${write})`), write).toMatchObject(['NotCapable', true, expect.stringContaining('write access')])
    }
    expect(await run("return [Deno.statSync('data/large.txt').size, tried(() => Deno.readTextFileSync('data/large.txt'))]")).toMatchObject([2_097_152, ['NotSupported', false, expect.stringContaining('lends')]])
  })
})

describe('the scratch folder', () => {
  test('holds 16 MiB and no byte more', async () => {
    const text = (bytes: number) => `Deno.writeFileSync('/tmp/a', new Uint8Array(${bytes})); const { size } = Deno.statSync('/tmp/a'); Deno.removeSync('/tmp/a'); return size`
    expect(await run(text(16 * 1024 * 1024))).toBe(16_777_216)
    expect(await run(`return tried(() => { ${text(16 * 1024 * 1024 + 1)} })`)).toEqual(['Error', false, expect.stringContaining('No space left')])
    await run("Deno.removeSync('/tmp/a')")
    expect(await run(text(16 * 1024 * 1024))).toBe(16_777_216)
  })

  test('holds 1,000 files and no file more', async () => {
    const make = (count: number) => `Deno.mkdirSync('/tmp/many'); try { for (let n = 1; n < ${count}; n++) Deno.writeTextFileSync('/tmp/many/' + n, ''); return [...Deno.readDirSync('/tmp/many')].length } finally { Deno.removeSync('/tmp/many', { recursive: true }) }`
    expect(await run(make(1_000))).toBe(999)
    expect(await run(`return tried(() => { ${make(1_001)} })`)).toEqual(['Error', false, expect.stringContaining('No space left')])
    expect(await run(make(1_000))).toBe(999)
  })
})

describe('the rest', () => {
  test('reads only the variables that were granted', async () => {
    expect(await run("return tried(() => Deno.env.get('PATH'))")).toEqual(['NotCapable', true, expect.stringContaining('PATH')])
    expect(await run("Deno.env.set('OWN', '1'); return [Deno.env.get('OWN'), Deno.env.has('OWN'), Deno.env.toObject()]")).toEqual(['1', true, { OWN: '1' }])
  })

  test('refuses by name what there is none of', async () => {
    expect(await run("return ['run', 'kill', 'listen', 'dlopen', 'watchFs', 'symlinkSync'].map((name) => tried(() => Deno[name]('x')))")).toEqual(
      ['run', 'kill', 'listen', 'dlopen', 'watchFs', 'symlinkSync'].map((name) => ['NotSupported', false, expect.stringContaining(`Deno.${name}`)]),
    )
  })

  test('keeps values by openKv', async () => {
    expect(await run(`
      using kv = await Deno.openKv()
      await kv.set(['a', 1], { at: new Date(0) })
      const { value } = await kv.get(['a', 1])
      const wrong = await kv.atomic().check({ key: ['a', 1], versionstamp: null }).set(['a', 1], 2).commit()
      await kv.atomic().mutate({ type: 'sum', key: ['n'], value: new Deno.KvU64(5n) }).commit()
      const keys = []
      for await (const { key } of kv.list({ prefix: [] })) keys.push(key)
      return [value.at.getTime(), wrong.ok, (await kv.get(['n'])).value.value.toString(), keys]`)).toEqual([0, false, '5', [['a', 1], ['n']]])
  })

  test('has what the host refuses arrive as a class of Deno.errors', async () => {
    expect(await run("try { await (await Deno.openKv()).set(['k'], 'x'.repeat(70_000)) } catch (error) { return [error.name, error.code] }")).toEqual(['QuotaExceeded', 'SIZE_LIMIT'])
  })

  test('runs the jobs of Deno.cron, and tells of those that never will', async () => {
    await expect.poll(async () => (await lab.runtime.records.listLogs({ module: 'timed' })).items.map(({ message }) => message)).toContain('tick 1')
    expect(lab.events).toContainEqual(expect.objectContaining({ type: 'module:hook_error', module: 'timed', hook: 'job:cron:bad', code: 'INVALID' }))
  })
})
