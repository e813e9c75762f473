import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CLI, type ServerUnderTest, startServer } from './cli.setup.ts'

const MANIFEST = 'name: talker\nversion: 1.0.0\ndescription: logs what it hears\nhooks: [chat:before_ai]\npermissions: [log]\n'
const CODE = "export default { handle(hook, ctx) { ctx.log.warn(ctx.message.content, { length: ctx.message.content.length }); return { action: 'continue' } } }"

let server: ServerUnderTest
beforeAll(async () => {
  server = await startServer()
  await mkdir(join(server.folder, 'talker'))
  await writeFile(join(server.folder, 'talker', 'module.yaml'), MANIFEST)
  await writeFile(join(server.folder, 'talker', 'index.ts'), CODE)
  expect(await server.cli('modules:install', './talker')).toMatchObject({ code: 0, stderr: '' })
}, 60_000)
afterAll(() => server?.[Symbol.asyncDispose]())

const say = (content: string) => server.json('hooks:execute', 'chat:before_ai', JSON.stringify({ message: { content } }))

/** A command that goes on until it is interrupted. */
function follow(...args: string[]) {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: server.folder, env: { ...process.env, ...server.env } })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (part: string) => (said[name] += part))
  const closed = once(child, 'close').then(([code]) => code as number)
  return {
    said,
    closed,
    /** Presses Ctrl-C. @returns the exit code */
    interrupt: () => (child.kill('SIGINT'), closed),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
}

test('the log of a module is followed until Ctrl-C, as lines to read', { timeout: 60_000 }, async () => {
  using followed = follow('modules:logs', 'talker', '--follow', '--level', 'warn')
  // When it has begun nobody knows from outside: something is said until something is heard.
  await expect.poll(async () => (await say('hello there'), followed.said.stdout), { timeout: 40_000, interval: 500 }).toContain('hello there')
  expect(followed.said.stdout.split('\n')[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ warn talker: hello there \{"length":11\}$/)
  expect(await followed.interrupt()).toBe(130)
  expect(followed.said.stderr).toBe('')
})

test('what happens is streamed as JSON, a line each, and goes into a file as well', { timeout: 60_000 }, async () => {
  using streamed = follow('system:events', '--module', 'talker', '--format', 'json')
  using written = follow('system:events', '--module', 'talker', '--output', 'events.ndjson')
  const twice = async () => {
    for (const action of ['disable', 'enable']) await server.json(`modules:${action}`, 'talker')
  }
  await expect.poll(async () => (await twice(), streamed.said.stdout), { timeout: 40_000, interval: 500 }).toContain('module:ready')
  const [first] = streamed.said.stdout.split('\n').map((line) => (line === '' ? undefined : (JSON.parse(line) as object)))
  expect(first).toMatchObject({ id: expect.any(String), event: expect.stringMatching(/^module:/), data: { module: 'talker' } })
  expect([await streamed.interrupt(), await written.interrupt()]).toEqual([130, 130])
  for (const line of (await readFile(join(server.folder, 'events.ndjson'), 'utf8')).trimEnd().split('\n').filter(Boolean)) expect(JSON.parse(line)).toMatchObject({ data: { module: 'talker' } })
})

test('what cannot be followed is refused', async () => {
  expect(await server.cli('modules:logs', 'talker', '--follow', '--limit', '5')).toMatchObject({ code: 2, stderr: expect.stringContaining('--follow does not go with --limit') })
  expect(await server.cli('modules:list', '--follow')).toMatchObject({ code: 2, stderr: expect.stringContaining('modules:list has no --follow') })
  expect(await server.cli('system:events', '--type', 'nonsense')).toMatchObject({ code: 2, stdout: '' })
})
