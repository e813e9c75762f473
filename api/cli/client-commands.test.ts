import { randomUUID } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type ServerUnderTest, startServer } from './cli.setup.ts'
import { dispatch } from './dispatch.ts'
import { captured } from './io.setup.ts'

let server: ServerUnderTest
let adminKey: string
beforeAll(async () => {
  server = await startServer()
  adminKey = (await readFile(join(server.folder, 'data', 'admin.key'), 'utf8')).trim()
  await Promise.all(['alpha', 'beta', 'gamma'].map((name) => server.cli('module:create', name, '--folder', name)))
  for (const name of ['alpha', 'beta', 'gamma']) expect(await command(['modules:install', name])).toMatchObject({ code: 0 })
}, 60_000)
afterAll(() => server?.[Symbol.asyncDispose]())

type Terminal = Parameters<typeof captured>[0]

/** A command in this process, asking the server in the other. */
async function command(args: readonly string[], terminal: Terminal = {}) {
  const { io, stdout, stderr } = captured({ cwd: server.folder, ...terminal, env: { ...server.env, ...terminal.env } })
  const code = await dispatch(args, io)
  // Whatever is asked for, the key is nowhere to be seen.
  expect(stdout() + stderr()).not.toContain(adminKey)
  return { code, stdout: stdout(), stderr: stderr() }
}

describe('the result', () => {
  test('is a table that fits the terminal, with what is left out named', async () => {
    const narrow = await command(['modules:list'], { columns: 60, env: { NO_COLOR: '1' } })
    const lines = narrow.stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^NAME /)
    expect(lines.slice(1).map((line) => line.split(/ +/)[0])).toEqual(['alpha', 'beta', 'gamma'])
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60)
    expect(narrow.stderr).toMatch(/^not shown: [^]*capabilities/)
    const wide = await command(['modules:list'], { columns: 200, env: { NO_COLOR: '1' } })
    expect(wide.stdout).toContain('Masks a word in messages on their way to the model')
  })

  test('has colours on a terminal, and neither in a pipe nor where they are not wanted', async () => {
    expect((await command(['modules:list'], { columns: 100 })).stdout).toContain('\u001b[32mready')
    expect((await command(['modules:list'], { columns: 100, env: { NO_COLOR: '1' } })).stdout).not.toContain('\u001b')
    expect((await command(['modules:list'])).stdout).not.toContain('\u001b')
  })

  test('as JSON and as YAML is what the API answers', async () => {
    const json = JSON.parse((await command(['modules:get', 'alpha', '--format', 'json'])).stdout)
    expect(json).toMatchObject({ name: 'alpha', limits: { maxMemoryMB: 64 }, error: null })
    expect(parse((await command(['modules:get', 'alpha', '--format', 'yaml'])).stdout)).toEqual(json)
  })

  test('goes to a file whole or not at all, in the format that its ending says', async () => {
    expect(await command(['modules:get', 'alpha', '--output', 'alpha.yaml'])).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(parse(await readFile(join(server.folder, 'alpha.yaml'), 'utf8'))).toMatchObject({ name: 'alpha' })
    expect(await command(['data:export', 'alpha', '-o', 'alpha.ndjson'])).toEqual({ code: 0, stdout: '', stderr: '' })
    expect((await readFile(join(server.folder, 'alpha.ndjson'), 'utf8')).trimEnd().split('\n').length).toBeGreaterThan(1)
    expect(await command(['data:export', 'nothing', '-o', 'nothing.ndjson'])).toMatchObject({ code: 3 })
    expect((await readdir(server.folder)).filter((name) => name.startsWith('nothing'))).toEqual([])
    expect(await command(['modules:list', '-o', 'no/such/folder'])).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot write no/such/folder') })
  })

  test('is names alone where it is asked to be quiet, and nothing of a change', async () => {
    expect(await command(['modules:list', '--quiet'])).toEqual({ code: 0, stdout: 'alpha\nbeta\ngamma\n', stderr: '' })
    expect(await command(['modules:enable', 'alpha', '-q'])).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('says with --verbose what was sent and how it was answered, but never the key', async () => {
    const { stderr } = await command(['modules:get', 'alpha', '--verbose'])
    expect(stderr).toMatch(/^> GET http:\S+\/v1\/modules\/alpha\n< 200 .* in \d+ ms, request [\w-]+\n$/)
    expect((await command(['modules:get', 'alpha', '-v'], { env: { BULKHEAD_KEY: `${adminKey}x` } })).stderr).toContain('UNAUTHENTICATED')
  })
})

describe('a list', () => {
  test('is filtered, searched, sorted and paged', async () => {
    const names = async (...args: string[]) => (await command(['modules:list', '--quiet', ...args])).stdout.split('\n').filter(Boolean)
    expect(await names('--filter', 'name=beta')).toEqual(['beta'])
    expect(await names('--search', 'GAM')).toEqual(['gamma'])
    expect(await names('--sort', 'name', '--order', 'desc')).toEqual(['gamma', 'beta', 'alpha'])
    expect(await names('--limit', '2')).toEqual(['alpha', 'beta'])
    expect(await names('--limit', '2', '--page', '2')).toEqual(['gamma'])
    expect(await names('--limit', '2', '--page', '9')).toEqual([])
    expect(await names('--limit', '1', '--page', 'all')).toEqual(['alpha', 'beta', 'gamma'])
    expect((await command(['modules:list', '--limit', '2'], { columns: 80 })).stderr).toContain('there is more: --page 2')
  })

  test.each([
    [['modules:get', 'alpha', '--page', '2'], 'modules:get has no --page, its answer has no pages'],
    [['modules:list', '--page', 'two'], '--page must be a whole number from 1 or "all"'],
    [['modules:list', '--order', 'down'], '--order: unknown value "down"; there are asc, desc'],
    [['modules:list', '--sort', 'nam'], 'did you mean "name"?'],
    [['modules:list', '--limit', 'ten'], '--limit must be a whole number, not "ten"'],
    [['config:env', '--dry-run'], 'config:env has no --dry-run'],
    [['modules:get', 'alpha', '--confirm'], 'modules:get has no --confirm, nothing of it has to be confirmed'],
    [['data:export', 'alpha', '--format', 'json'], 'data:export has no --format, what it sends are lines of JSON'],
  ])('that cannot be asked so is refused: %j', async (args, message) => {
    const { code, stdout, stderr } = await command(args)
    expect(stderr).toContain(message)
    expect([code, stdout]).toEqual([2, ''])
  })
})

describe('what is given', () => {
  test('is a body as JSON, as a file of JSON or YAML, or on standard input, and flags go over it', async () => {
    const said = async (args: string[], terminal: Terminal = {}) => {
      const { code, stdout, stderr } = await command(['config:set', 'alpha', '--format', 'json', ...args], terminal)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      return JSON.parse(stdout)
    }
    await writeFile(join(server.folder, 'said.yaml'), 'config: { word: yaml }\n')
    expect(await said(['--data', '{"config":{"word":"json"}}'])).toMatchObject({ config: { word: 'json' } })
    expect(await said(['--data', '@said.yaml'])).toMatchObject({ config: { word: 'yaml' } })
    expect(await said(['--data', '-'], { input: '{"config":{"word":"input"}}' })).toMatchObject({ config: { word: 'input' } })
    expect(await said(['--data', '{"config":{"word":"json"}}', '--enabled', 'false'])).toMatchObject({ config: { word: 'json' }, enabled: false })
    expect(await said(['--config', '{"word":"flag"}', '--enabled', 'null'])).toMatchObject({ config: { word: 'flag' }, enabled: null })
    expect(await said(['--config.word', 'true story'])).toMatchObject({ config: { word: 'true story' } })
  })

  test('may be named as the API names it, and commands as another list does', async () => {
    expect(await command(['hooks:execute', 'chat:before_ai', '--context', '{"message":{"content":"hi"}}'])).toMatchObject({ code: 0, stderr: '' })
    expect(await command(['modules:get', '--name', 'alpha', '--format', 'json'])).toMatchObject({ code: 0 })
    expect(await command(['extension:list', '-q'])).toMatchObject({ code: 0, stdout: 'alpha\nbeta\ngamma\n' })
  })

  test('goes out as a list however it is written', async () => {
    const granted = async (...args: string[]) => JSON.parse((await command(['permissions:grant', 'alpha', '--format', 'json', ...args])).stdout).items.length
    expect([await granted('emit'), await granted('--permissions', 'emit'), await granted('--permissions', '["emit"]')]).toEqual([1, 1, 1])
  })

  test('comes back in: what was exported is imported', async () => {
    expect(await command(['data:export', 'beta', '-o', 'beta.ndjson'])).toMatchObject({ code: 0 })
    const lines = await readFile(join(server.folder, 'beta.ndjson'), 'utf8')
    expect(await command(['data:import', 'beta', 'beta.ndjson', '--dry-run', '--format', 'json'])).toMatchObject({ code: 0, stdout: expect.stringContaining('"dryRun": true') })
    expect(await command(['data:import', 'beta', '-', '--dry-run'], { input: lines })).toMatchObject({ code: 0 })
    expect(await command(['config:export', '-o', 'configs.yaml'])).toMatchObject({ code: 0 })
    expect(await command(['config:import', '--data', '@configs.yaml', '--dry-run'])).toMatchObject({ code: 0, stderr: '' })
  })

  test.each([
    [['modules:get'], 2, 'modules:get needs <name>'],
    [['modules:get', 'alpha', 'beta'], 2, 'modules:get takes <name>, "beta" is too many'],
    [['modules:get', 'alpha', '--nme', 'x'], 2, 'modules:get has no --nme'],
    [['modules:list', '--fromat', 'json'], 2, 'modules:list has no --fromat, did you mean "--format"?'],
    [['modules:list', '--format', 'xml'], 2, '--format: unknown format "xml"; there are table, json, yaml'],
    [['modules:list', '--format'], 2, '--format needs a value'],
    [['modules:list', '--format', '--quiet'], 2, '--format needs a value'],
    [['modules:list', '--limit', '1', '--limit', '2'], 2, '--limit is given more than once'],
    [['config:set', 'alpha', '--config', '{"word":'], 2, '--config must be JSON, @FILE or - for standard input'],
    [['config:set', 'alpha', '--data', '@nothing.json'], 2, 'cannot read nothing.json, there is no such file'],
    [['config:set', 'alpha', '--scope', 'clas'], 2, '--scope: unknown value "clas", did you mean "class"?'],
    [['hooks:execute', 'chat:before_ai'], 2, 'needs its body, as JSON, @FILE or -'],
    [['modules:install'], 2, 'modules:install needs --folder or --npm or --git'],
    [['modules:install', '--npm', 'a', '--git', 'b'], 2, '--npm and --git do not go together'],
    [['modules:install', './nothing'], 2, 'cannot send ./nothing, there is no such file'],
    [['modules', 'list'], 2, 'did you mean "modules:list"?'],
    [['config:set', 'alpha', 'word=x'], 2, '"word=x" is too many; write --config.word x'],
    [['modules:list', 'status=error'], 2, '"status=error" is too many'],
    [['modules:lst'], 2, 'unknown command "modules:lst", did you mean "modules:list"?'],
    [['moduls:list'], 2, 'did you mean "modules:list"?'],
    [['modules'], 2, '"modules" is a domain, its commands are'],
    [['modules:get', 'alpa'], 3, 'error: NOT_FOUND: no module named "alpa", did you mean "alpha"?'],
    [['permissions:grant', 'alpha', 'net:example.org'], 2, 'alpha does not ask for it'],
  ])('and cannot be used is refused: %j', async (args, code, message) => {
    const ended = await command(args)
    expect(ended.stderr).toContain(message)
    expect([ended.code, ended.stdout]).toEqual([code, ''])
  })

  test('and is a secret is in no message about it', async () => {
    const secret = randomUUID()
    const { code, stderr } = await command(['config:set', 'alpha', '--config', `{"word":${secret}`])
    expect(code).toBe(2)
    expect(stderr).not.toContain(secret.slice(0, 13))
  })
})

describe('many at once', () => {
  test('are done line by line, whatever becomes of the others', async () => {
    await writeFile(join(server.folder, 'batch'), `alpha --config.word "two words"\n\n# a comment\n{"name":"beta","config":{"word":"json"}}\nnothing\n`)
    const { code, stdout } = await command(['config:set', '--batch', 'batch', '--format', 'json'])
    expect(JSON.parse(stdout).items).toMatchObject([
      { line: 1, ok: true, output: { config: { word: 'two words' } } },
      { line: 4, ok: true, output: { module: 'beta', config: { word: 'json' } } },
      { line: 5, ok: false, error: { code: 'NOT_FOUND' } },
    ])
    expect(code).toBe(3)
  })

  test('come from standard input, and fail with 1 where they fail in different ways', async () => {
    const { code, stdout } = await command(['modules:get', '--batch', '-'], { input: 'alpha\nnothing\nalpha beta\n' })
    expect(stdout.split('\n').map((line) => line.replace(/ {2,}/g, '|'))).toEqual([
      'LINE|ARGUMENTS|RESULT',
      expect.stringContaining('|alpha|ok'),
      expect.stringContaining('|nothing|NOT_FOUND: no module named "nothing"'),
      expect.stringContaining('|alpha beta|USAGE: modules:get takes <name>, "beta" is too many'),
      '',
    ])
    expect(code).toBe(1)
  })
})

describe('a user at a terminal', () => {
  test('is asked for what is missing, again where the answer cannot be used', async () => {
    const { code, stdout, stderr } = await command(['config:set', '--interactive', '--format', 'json'], {
      columns: 80,
      answers: ['', 'gamma', 'clas', '', '', '', '{"word":"asked"}', ''],
    })
    expect(stderr).toContain('name is needed')
    expect(stderr).toContain('unknown value "clas", did you mean "class"?')
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { module: 'gamma', config: { word: 'asked' } }])
  })

  test('types yes before something is done that cannot be undone', async () => {
    const no = await command(['modules:remove', 'gamma'], { columns: 80, answers: ['y'] })
    expect(no).toMatchObject({ code: 2, stderr: expect.stringMatching(/cannot be undone. Type "yes" to do it: error: NOT_CONFIRMED: nothing was done/) })
    expect(await command(['modules:get', 'gamma'])).toMatchObject({ code: 0 })
    expect(await command(['modules:remove', 'gamma'], { columns: 80, answers: ['yes'] })).toMatchObject({ code: 0 })
    expect(await command(['modules:get', 'gamma'])).toMatchObject({ code: 3 })
  })

  test('is needed for either', async () => {
    expect(await command(['modules:remove', 'alpha'])).toMatchObject({ code: 2, stderr: expect.stringContaining('is not done without --confirm') })
    expect(await command(['modules:get', '--interactive'])).toMatchObject({ code: 2, stderr: expect.stringContaining('needs a terminal') })
  })

  test('sees how far long work is, and nothing of it afterwards', async () => {
    const { code, stderr } = await command(['modules:install', 'alpha'], { columns: 80 })
    expect(code).toBe(0)
    expect(stderr.replace(/.*\r\u001b\[2K/gs, '')).toBe('')
  })
})

describe('a server', () => {
  test('that is not there is told of, with what to do', async () => {
    const { code, stderr } = await command(['modules:list'], { env: { BULKHEAD_URL: 'http://127.0.0.1:9' } })
    expect([code, stderr]).toEqual([1, expect.stringContaining('cannot reach http://127.0.0.1:9, ')])
  })

  test('that wants a key is told which key was looked for', async () => {
    expect(await command(['modules:list'], { env: { BULKHEAD_DATA: '/nowhere' } })).toMatchObject({ code: 4, stderr: expect.stringContaining('no key was found in BULKHEAD_KEY or /nowhere/admin.key') })
    expect(await command(['modules:list'], { env: { BULKHEAD_KEY: 'bk_wrong' } })).toMatchObject({ code: 4, stderr: expect.stringContaining('UNAUTHENTICATED') })
  })

  test('of a wrong address is not asked', async () => {
    for (const url of ['nowhere', 'ftp://example.org', 'http://user:secret@example.org']) {
      const { code, stderr } = await command(['modules:list'], { env: { BULKHEAD_URL: url } })
      expect([code, stderr]).toEqual([2, expect.stringContaining('BULKHEAD_URL must')])
      expect(stderr).not.toContain('secret')
    }
  })

  test('is given up on when the user presses Ctrl-C', async () => {
    const interruption = new AbortController()
    interruption.abort()
    expect(await command(['modules:list'], { interrupted: interruption.signal })).toEqual({ code: 130, stdout: '', stderr: '' })
  })

  test('that refuses a key with fewer rights is answered with 4', async () => {
    const { stdout } = await command(['auth:generatekey', '--data', '{"name":"reader","scopes":["modules:read"]}', '--format', 'json'])
    const { key } = JSON.parse(stdout)
    expect(await command(['modules:list'], { env: { BULKHEAD_KEY: key } })).toMatchObject({ code: 0 })
    expect(await command(['modules:disable', 'alpha'], { env: { BULKHEAD_KEY: key } })).toMatchObject({ code: 4, stderr: expect.stringContaining('FORBIDDEN') })
  })
})
