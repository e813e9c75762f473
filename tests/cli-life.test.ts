import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { create } from 'tar'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerUnderTest, startServer } from '../api/cli/cli.setup.ts'

/** One module, from its first file to its end, by commands alone; each test goes on where the one before it stopped. */
let server: ServerUnderTest
let folder: string
beforeAll(async () => {
  server = await startServer({ BULKHEAD_FIRST_GRANT: 'none' })
  folder = join(server.folder, 'word-mask')
}, 60_000)
afterAll(() => server?.[Symbol.asyncDispose]())

const edit = async (file: string, from: string | RegExp, to: string) => {
  const path = join(folder, file)
  await writeFile(path, (await readFile(path, 'utf8')).replace(from, to))
}
const ask = (content: string) => server.json('hooks:execute', 'chat:before_ai', JSON.stringify({ message: { content } }))
const answered = async (content: string) => ((await ask(content))['modifications'] as { message: { content: string } } | undefined)?.message.content ?? content

test('it is made and looked over, without a server', async () => {
  expect(await server.cli('module:create', 'word-mask', '--folder', 'word-mask')).toMatchObject({ code: 0, stderr: '' })
  expect(await server.cli('module:validate', 'word-mask')).toMatchObject({ code: 0 })
})

test('the server looks it over and changes nothing, then installs it from the folder', async () => {
  expect(await server.json('modules:install', './word-mask', '--dry-run')).toMatchObject({ module: 'word-mask', outcome: 'checked', number: null })
  expect(await server.cli('modules:get', 'word-mask')).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('error: NOT_FOUND: no module named "word-mask"') })
  expect(await server.json('modules:install', './word-mask')).toMatchObject({ module: 'word-mask', number: 1 })
  expect(await server.json('modules:list')).toMatchObject({ items: [{ name: 'word-mask', version: '0.1.0' }], nextCursor: null })
  expect(await server.cli('modules:list', '--quiet')).toEqual({ code: 0, stdout: 'word-mask\n', stderr: '' })
})

test('it is granted what it asks for, and answers hooks', async () => {
  expect(await server.json('permissions:check', 'word-mask', 'emit')).toMatchObject({ asked: true, granted: false })
  expect(await server.cli('permissions:grant', 'word-mask', 'emit')).toMatchObject({ code: 0, stderr: '' })
  expect(await server.json('permissions:check', 'word-mask', 'emit')).toMatchObject({ granted: true })
  await expect.poll(async () => (await server.json('modules:get', 'word-mask'))['status']).toBe('ready')
  expect(await answered('a secret')).toBe('a ******')
  await expect.poll(() => server.json('extractions:list', '--module', 'word-mask', '--type', 'word_masked')).toMatchObject({ items: [{ data: { times: 1 } }] })
})

test('it is configured, and what does not fit is refused with a suggestion', async () => {
  expect(await server.json('config:set', 'word-mask', '--config.word', 'hell')).toMatchObject({ config: { word: 'hell' }, revision: 1 })
  expect(await server.json('config:get', 'word-mask')).toMatchObject({ config: { word: 'hell' } })
  expect(await answered('hello')).toBe('****o')
  expect(await server.cli('config:set', 'word-mask', '--config.wrd', 'x')).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean "word"?') })
  expect(await server.json('config:rollback', 'word-mask')).toMatchObject({ row: null })
  expect(await answered('hello')).toBe('hello')
})

test('a new version takes its place, from an archive', async () => {
  await edit('module.yaml', '0.1.0', '0.2.0')
  await edit('module.yaml', '[emit]', '[emit, log]')
  await edit('index.ts', 'ctx.emit(', "ctx.log.warn('masked')\n      ctx.emit(")
  const archive = join(server.folder, 'word-mask.tar.gz')
  await create({ gzip: true, cwd: folder, file: archive }, ['.'])
  expect(await server.json('modules:install', archive)).toMatchObject({ number: 2, outcome: 'waiting', permissions: { undecided: ['log'] } })
  expect(await server.json('modules:get', 'word-mask')).toMatchObject({ version: '0.1.0', status: 'upgrade_pending' })
  expect(await server.cli('permissions:grant', 'word-mask')).toMatchObject({ code: 0 })
  await expect.poll(async () => (await server.json('modules:get', 'word-mask'))['version']).toBe('0.2.0')
  expect(await answered('a secret')).toBe('a ******')
  await expect.poll(() => server.json('modules:logs', 'word-mask')).toMatchObject({ items: [{ level: 'warn', message: 'masked' }] })
})

test('a broken version is refused with file and line, and the one before goes on', async () => {
  await edit('module.yaml', '0.2.0', '0.3.0')
  const before = await readFile(join(folder, 'index.ts'), 'utf8')
  await writeFile(join(folder, 'index.ts'), `${before}\nthis is no code`)
  expect(await server.cli('modules:install', './word-mask')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: \w+: .*index\.ts:\d+/) })
  expect(await server.json('modules:get', 'word-mask')).toMatchObject({ version: '0.2.0', status: 'ready' })
  await writeFile(join(folder, 'index.ts'), before)
})

test('its versions are listed and compared, and the first one comes back', async () => {
  expect(await server.json('modules:versions', 'word-mask')).toMatchObject({ items: [{ number: 2, version: '0.2.0' }, { number: 1, version: '0.1.0' }] })
  expect(await server.json('modules:diff', 'word-mask', '--from', '1', '--to', '2')).toMatchObject({ permissions: { added: ['log'], removed: [] } })
  expect(await server.json('modules:rollback', 'word-mask', '--number', '1')).toMatchObject({ version: '0.1.0', status: 'ready' })
  expect(await answered('a secret')).toBe('a ******')
})

test('it is disabled and enabled, and from a list many at once are', async () => {
  expect(await server.json('modules:disable', 'word-mask')).toMatchObject({ status: 'disabled' })
  expect(await answered('a secret')).toBe('a secret')
  await writeFile(join(server.folder, 'names'), '# those we know\nword-mask\nnothing\n')
  const { code, stdout } = await server.cli('modules:enable', '--batch', 'names', '--format', 'json')
  expect(JSON.parse(stdout)).toMatchObject({ items: [{ line: 2, ok: true, output: { status: 'ready' } }, { line: 3, ok: false, error: { code: 'NOT_FOUND' } }] })
  expect(code).toBe(3)
})

test('one in the folder of modules is reloaded after an edit', async () => {
  const inPlace = join(server.folder, 'modules', 'in-place')
  await cp(folder, inPlace, { recursive: true })
  const manifest = (version: string) => writeFile(join(inPlace, 'module.yaml'), `name: in-place\nversion: ${version}\ndescription: is edited where it is\nhooks: [chat:after_ai]\n`)
  const code = (text: string) => writeFile(join(inPlace, 'index.ts'), `export default { handle: () => ({ action: 'continue', modifications: { response: '${text}' } }) }`)
  await manifest('1.0.0')
  await code('one')
  await expect.poll(async () => (await server.cli('modules:reload', 'in-place')).code).toBe(0)
  await manifest('2.0.0')
  await code('two')
  await expect.poll(async () => (await server.json('modules:reload', 'in-place'))['version']).toBe('2.0.0')
  expect(await server.json('hooks:execute', 'chat:after_ai', '{"response":"zero"}')).toMatchObject({ modifications: { response: 'two' } })
})

test('it is removed once that is confirmed, and then it is gone', async () => {
  expect(await server.cli('modules:remove', 'word-mask')).toMatchObject({ code: 2, stderr: expect.stringContaining('--confirm') })
  expect(await server.json('modules:remove', 'word-mask', '--dry-run')).toMatchObject({ removed: ['word-mask'] })
  expect(await server.json('modules:remove', 'word-mask', '--confirm')).toMatchObject({ removed: ['word-mask'] })
  expect(await server.cli('modules:get', 'word-mask')).toMatchObject({ code: 3 })
})
