import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Lab, openLab } from './module-lab.ts'

vi.setConfig({ testTimeout: 60_000 })

let lab: Lab
const place = (name: string) => join(lab.folder, 'modules', name)
const answering = (text: string) => `export default { handle: () => ({ action: 'continue', modifications: { message: { content: '${text}' } } }) }`
const hooks = 'type: extension\nhooks: [chat:before_ai]'
const answer = async () => ((await lab.hook('chat:before_ai')).modifications?.['message'] as { content: string } | undefined)?.content
const status = (name: string) => lab.runtime.modules().find((module) => module.name === name)
const comes = (text: string | undefined) => vi.waitUntil(async () => (await answer()) === text, { timeout: 30_000, interval: 20 })

beforeAll(async () => {
  lab = await openLab()
  await lab.start({ watch: true })
})
afterAll(() => lab[Symbol.asyncDispose]())

test('a folder that is dropped in answers, and answers anew once it is saved', async () => {
  await lab.write('a', hooks, answering('one'))
  await comes('one')
  await writeFile(join(place('a'), 'index.ts'), answering('two'))
  await comes('two')
  await writeFile(join(place('a'), 'index.ts.tmp'), answering('three'))
  await rename(join(place('a'), 'index.ts.tmp'), join(place('a'), 'index.ts'))
  await comes('three')
  expect(status('a')).toMatchObject({ status: 'ready', error: null })
})

test('a save that is broken leaves the version before it serving, and tells why', async () => {
  for (const [file, broken, code] of [
    ['index.ts', 'export default {', 'BUNDLE_FAILED'],
    ['index.ts', 'throw new Error("not today")', 'LOAD_FAILED'],
    ['module.yaml', 'name: a\nversion: [', 'MANIFEST_INVALID'],
    ['module.yaml', `${'# long\n'.repeat(1_000_000)}name: a`, 'MANIFEST_INVALID'],
  ] as const) {
    await lab.write('a', hooks, answering('three'))
    await vi.waitUntil(() => status('a')?.status === 'ready' && !status('a')?.error, { timeout: 30_000 })
    lab.events.length = 0
    await writeFile(join(place('a'), file), broken)
    await vi.waitUntil(() => status('a')?.error?.code === code, { timeout: 30_000 })
    expect(lab.events).toContainEqual(expect.objectContaining({ type: 'module:error', module: 'a', code }))
    expect(await answer(), code).toBe('three')
  }
  await lab.write('a', hooks, answering('mended'))
  await comes('mended')
  expect(status('a')).toMatchObject({ status: 'ready', error: null })
})

test('a folder with another name stays the module that it was, with no call lost and no other made of it', async () => {
  lab.events.length = 0
  let isOver = false
  const answers = new Set<string | undefined>()
  const calling = (async () => {
    while (!isOver) answers.add(await answer())
  })()
  await rename(place('a'), place('z'))
  await new Promise((resolve) => setTimeout(resolve, 1500))
  isOver = true
  await calling
  expect([...answers]).toEqual(['mended'])
  expect(lab.runtime.modules().map(({ name }) => name)).toEqual(['a'])
  await writeFile(join(place('z'), 'index.ts'), answering('moved'))
  await comes('moved')
  expect(lab.eventsOf('a')).not.toContain('module:stopped')
})

test('a folder that claims the name of another is told of, and takes over once that is gone', async () => {
  await mkdir(place('copy'))
  await writeFile(join(place('copy'), 'index.ts'), answering('copied'))
  await writeFile(join(place('copy'), 'module.yaml'), `name: a\nversion: 2.0.0\ndescription: d\n${hooks}\n`)
  await vi.waitUntil(() => lab.runtime.modules().length === 2, { timeout: 30_000 })
  expect(lab.runtime.modules().map(({ error }) => error?.code)).toContain('CONFLICT')
  expect(await answer()).toBe('moved')
  await rm(place('z'), { recursive: true })
  await comes('copied')
  expect(lab.runtime.modules().map(({ name }) => name)).toEqual(['a'])
})

test('a folder that is deleted finishes what it does, and is forgotten', async () => {
  await lab.write('slow', hooks.replace('before', 'after'), `export default { async handle() { await new Promise((done) => setTimeout(done, 1500)); return { action: 'block', reason: 'done' } } }`)
  await vi.waitUntil(() => status('slow')?.status === 'ready', { timeout: 30_000 })
  const running = lab.hook('chat:after_ai')
  await rm(place('slow'), { recursive: true })
  expect((await running).action).toBe('block')
  await vi.waitUntil(() => status('slow') === undefined, { timeout: 30_000 })
  expect((await lab.hook('chat:after_ai')).action).toBe('continue')
  await vi.waitUntil(() => lab.eventsOf('slow').includes('module:stopped'), { timeout: 30_000 })
})

test('pipes, odd names, and a manifest that nobody can read keep nobody from being followed', async () => {
  const pipe = (...path: string[]) => execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', join(lab.folder, 'modules', ...path)])
  await lab.write('b', hooks.replace('before', 'after'), answering('before the oddities'))
  await vi.waitUntil(() => status('b')?.status === 'ready', { timeout: 30_000 })
  pipe('pipe')
  pipe('b', 'pipe')
  pipe('b', 'pipe.ts')
  await mkdir(place('unreadable'))
  pipe('unreadable', 'module.yaml')
  for (const name of ['__proto__', 'x\ny', 'a b', '-rf', 'x'.repeat(200)]) {
    await mkdir(place(name))
    await writeFile(join(place(name), 'module.yaml'), `name: ${JSON.stringify(name)}`)
  }
  await lab.write('constructor', hooks.replace('before', 'after'), answering('constructed'))
  await vi.waitUntil(() => status('constructor')?.status === 'ready', { timeout: 30_000 })
  await vi.waitUntil(() => status('unreadable')?.error?.message.includes('is not a regular file') && status('-rf') && status('__proto__'), { timeout: 30_000 })
  expect(status('b')?.status).toBe('ready')
  await rm(join(place('b'), 'pipe'))
  await rm(join(place('b'), 'pipe.ts'))
  await writeFile(join(place('b'), 'module.yaml'), `name: b\nversion: 2.0.0\ndescription: d\n${hooks.replace('before', 'after')}\n`)
  await vi.waitUntil(() => status('b')?.version === '2.0.0', { timeout: 30_000 })
})

test('a folder that changes without end costs its neighbours no call', async () => {
  const flood = `const { writeFileSync, unlinkSync } = require('fs'); for (let n = 0; ; n++) { const file = 'x' + (n % 100) + '.ts'; writeFileSync(file, '1'); unlinkSync(file) }`
  const flooding = spawn(process.execPath, ['-e', flood], { cwd: place('b'), stdio: 'ignore' })
  try {
    const end = performance.now() + 3_000
    while (performance.now() < end) {
      const { failures } = await lab.hook('chat:after_ai')
      expect(failures).toEqual([])
    }
  } finally {
    flooding.kill('SIGKILL')
    await once(flooding, 'exit')
  }
  await writeFile(join(place('b'), 'module.yaml'), `name: b\nversion: 3.0.0\ndescription: d\n${hooks.replace('before', 'after')}\n`)
  await vi.waitUntil(() => status('b')?.version === '3.0.0', { timeout: 60_000 })
}, 90_000)
