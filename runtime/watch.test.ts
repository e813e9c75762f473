import { execFileSync } from 'node:child_process'
import { appendFile, cp, mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { watch } from 'chokidar'
import { expect, type onTestFinished, test, vi } from 'vitest'
import { watchFolders } from './watch.ts'
import type { WatchOptions } from './watch-children.ts'

vi.setConfig({ testTimeout: 60_000 })

/** A folder of modules, and what is told of it. Most of the time is waiting, so that tests run beside each other. */
async function open(finished: typeof onTestFinished) {
  const root = await mkdtemp(join(tmpdir(), 'bulkhead-watch-'))
  const folder = join(root, 'modules')
  await mkdir(folder)
  const told: string[] = []
  const warnings: string[] = []
  const warn = (_: object, text: string) => void warnings.push(text)
  const log = { debug() {}, info() {}, warn, error: warn }
  let watching: AsyncDisposable | undefined
  finished(async () => {
    await watching?.[Symbol.asyncDispose]()
    await rm(root, { recursive: true, force: true, maxRetries: 20 })
  })

  return {
    root,
    folder,
    told,
    warnings,
    async write(name: string, files: Record<string, string> = {}, at = folder): Promise<void> {
      for (const [path, text] of Object.entries({ 'module.yaml': `name: ${name}`, 'index.ts': '1', ...files })) {
        await mkdir(join(at, name, path, '..'), { recursive: true })
        await writeFile(join(at, name, path), text)
      }
    },
    async start(more: Partial<WatchOptions> = {}): Promise<void> {
      const found = async (child: string) => void told.push(`found ${child}`)
      const gone = async (child: string) => void told.push(`gone ${child}`)
      // Longer than a loaded machine takes from one part of a save to the next.
      watching = await watchFolders({ folder, found, gone, log, quietMs: 300, ...more })
    },
    stop: () => watching?.[Symbol.asyncDispose](),
    /** What was told once nothing more comes. */
    async settled(least = 1): Promise<string[]> {
      await vi.waitUntil(() => told.length >= least, { timeout: 30_000 })
      for (let before = -1; before !== told.length; ) {
        before = told.length
        await sleep(900)
      }
      return told.splice(0)
    },
  }
}

test.concurrent('a folder that is dropped in, changed and deleted is told of once each', async ({ onTestFinished }) => {
  const { folder, write, start, settled } = await open(onTestFinished)
  await start()
  await write('a')
  expect(await settled()).toEqual(['found a'])
  await writeFile(join(folder, 'a/index.ts'), '2')
  expect(await settled()).toEqual(['found a'])
  await write('a', { 'lib/deep/x.ts': '1' })
  expect(await settled()).toEqual(['found a'])
  await writeFile(join(folder, 'a/lib/deep/x.ts'), '2')
  expect(await settled()).toEqual(['found a'])
  await rm(join(folder, 'a/lib'), { recursive: true })
  expect(await settled()).toEqual(['found a'])
  await rm(join(folder, 'a'), { recursive: true })
  expect(await settled()).toEqual(['gone a'])
})

test.concurrent('a save is told of once, in each way that editors have', async ({ onTestFinished }) => {
  const { folder, write, start, settled } = await open(onTestFinished)
  await write('a')
  await start()
  const file = join(folder, 'a/index.ts')
  const ways: Record<string, () => Promise<void>> = {
    'in place': () => writeFile(file, '2'),
    'emptied, then written': async () => {
      await writeFile(file, '')
      await sleep(20)
      await writeFile(file, '3')
    },
    'beside it, then renamed': async () => {
      await writeFile(`${file}.tmp`, '4')
      await rename(`${file}.tmp`, file)
    },
    'the old one put aside': async () => {
      await rename(file, `${file}~`)
      await writeFile(file, '5')
      await unlink(`${file}~`)
    },
    'with a trial file and a swap file': async () => {
      await writeFile(join(folder, 'a/4913'), '')
      await unlink(join(folder, 'a/4913'))
      await writeFile(join(folder, 'a/.index.ts.swp'), 'x')
      await writeFile(file, '6')
      await unlink(join(folder, 'a/.index.ts.swp'))
    },
    'deleted, then written': async () => {
      await unlink(file)
      await sleep(30)
      await writeFile(file, '7')
    },
    'in many pieces': async () => {
      for (let at = 0; at < 20; at++) await appendFile(file, `\n// ${at}`)
    },
  }
  for (const [way, save] of Object.entries(ways)) {
    await save()
    expect(await settled(), way).toEqual(['found a'])
  }
})

test.concurrent('what only tools write is not looked at', async ({ onTestFinished }) => {
  const { folder, told, write, start, settled } = await open(onTestFinished)
  await write('a')
  await start()
  await write('a', { 'node_modules/x/index.js': '1', '.git/HEAD': 'x', '.env': 'x', 'index.ts~': 'x', 'lib/.hidden': 'x' })
  await writeFile(join(folder, '.DS_Store'), 'x')
  await writeFile(join(folder, 'README.md'), 'no folder')
  await mkdir(join(folder, '.cache'))
  await settled()
  await writeFile(join(folder, 'a/node_modules/x/index.js'), '2')
  await writeFile(join(folder, 'a/.git/HEAD'), 'y')
  await writeFile(join(folder, 'a/index.ts~'), 'y')
  await sleep(900)
  expect(told).toEqual([])
})

test.concurrent('a folder that is no module yet is left alone until it has a manifest', async ({ onTestFinished }) => {
  const { folder, told, start, settled } = await open(onTestFinished)
  await start()
  await mkdir(join(folder, 'new'))
  await writeFile(join(folder, 'new/index.ts'), '1')
  await sleep(900)
  expect(told).toEqual([])
  await writeFile(join(folder, 'new/module.yaml'), 'name: new')
  expect(await settled()).toEqual(['found new'])
})

test.concurrent('a folder with another name is told of under that first, so that its module stays one', async ({ onTestFinished }) => {
  const { root, folder, write, start, settled } = await open(onTestFinished)
  await write('a')
  await start()
  await rename(join(folder, 'a'), join(folder, 'b'))
  expect(await settled(2)).toEqual(['found b', 'gone a'])
  await writeFile(join(folder, 'b/index.ts'), '2')
  expect(await settled()).toEqual(['found b'])
  await rename(join(folder, 'b'), join(root, 'elsewhere'))
  expect(await settled()).toEqual(['gone b'])
  await rename(join(root, 'elsewhere'), join(folder, 'c'))
  expect(await settled()).toEqual(['found c'])
  await cp(join(folder, 'c'), join(folder, 'd'), { recursive: true })
  await rm(join(folder, 'c'), { recursive: true })
  expect(await settled(2)).toEqual(['found d', 'gone c'])
})

test.concurrent('a folder that is replaced by another of the same name is only changed', async ({ onTestFinished }) => {
  const { root, folder, write, start, settled } = await open(onTestFinished)
  await write('a')
  await write('a', { 'index.ts': 'new' }, root)
  await start()
  await rename(join(folder, 'a'), join(root, 'old'))
  await rename(join(root, 'a'), join(folder, 'a'))
  expect(await settled()).toEqual(['found a'])
  await writeFile(join(folder, 'a/index.ts'), '2')
  expect(await settled()).toEqual(['found a'])
})

test.concurrent('a link to a folder is followed, also when it leads elsewhere later; links within are not', async ({ onTestFinished }) => {
  const { root, folder, told, write, start, settled } = await open(onTestFinished)
  await write('one', {}, root)
  await write('two', {}, root)
  await symlink(join(root, 'one'), join(folder, 'a'))
  await start()
  await writeFile(join(root, 'one/index.ts'), '2')
  expect(await settled()).toEqual(['found a'])
  execFileSync('ln', ['-sfn', join(root, 'two'), join(folder, 'a')])
  expect((await settled()).every((one) => one === 'found a')).toBe(true)
  await writeFile(join(root, 'two/index.ts'), '2')
  expect(await settled()).toEqual(['found a'])
  await writeFile(join(root, 'one/index.ts'), '3')
  await sleep(900)
  expect(told).toEqual([])

  await symlink(join(root, 'one'), join(root, 'two/lib'))
  expect(await settled()).toEqual(['found a'])
  await writeFile(join(root, 'one/index.ts'), '4')
  await sleep(900)
  expect(told).toEqual([])
  await unlink(join(folder, 'a'))
  expect(await settled()).toEqual(['gone a'])
})

test.concurrent('links to a neighbour, to each other and to what holds the folder do no harm', async ({ onTestFinished }) => {
  const { folder, warnings, write, start, settled } = await open(onTestFinished)
  await write('a')
  await symlink(join(folder, 'a'), join(folder, 'b'))
  await symlink('d', join(folder, 'c'))
  await symlink('c', join(folder, 'd'))
  await symlink('/', join(folder, 'e'))
  await symlink('..', join(folder, 'a/up'))
  await start()
  await writeFile(join(folder, 'a/index.ts'), '2')
  expect((await settled(2)).toSorted()).toEqual(['found a', 'found b'])
  expect(warnings).toEqual(['a link to what holds the modules folder is not watched'])
})

test.concurrent('a tree of a thousand files is told of once when it is dropped in, changed all over and moved', async ({ onTestFinished }) => {
  const { root, folder, write, start, settled } = await open(onTestFinished)
  const files = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`lib/${at % 40}/file-${at}.ts`, '1']))
  await start()
  await write('big', files, root)
  await rename(join(root, 'big'), join(folder, 'big'))
  expect(await settled()).toEqual(['found big'])
  await write('big', Object.fromEntries(Object.keys(files).map((path) => [path, '2'])))
  const once = await settled()
  expect(new Set(once)).toEqual(new Set(['found big']))
  await rename(join(folder, 'big'), join(folder, 'bigger'))
  expect(await settled(2)).toEqual(['found bigger', 'gone big'])
  await writeFile(join(folder, 'bigger/lib/7/file-7.ts'), '3')
  expect(await settled()).toEqual(['found bigger'])
})

test.concurrent('what changes while a change is dealt with is told of afterwards, and once', async ({ onTestFinished }) => {
  const { folder, told, write, start, settled } = await open(onTestFinished)
  await write('a')
  const busy = Promise.withResolvers<void>()
  let running = 0
  await start({
    async found(child) {
      expect(++running).toBe(1)
      told.push(`found ${child}`)
      if (told.length === 1) await busy.promise
      running--
    },
  })
  await writeFile(join(folder, 'a/index.ts'), '2')
  await vi.waitUntil(() => told.length === 1, 30_000)
  for (let at = 0; at < 5; at++) {
    await writeFile(join(folder, 'a/index.ts'), `${at}`)
    await sleep(400)
  }
  expect(told).toEqual(['found a'])
  busy.resolve()
  await vi.waitUntil(() => told.length === 2, 30_000)
  expect(await settled()).toEqual(['found a', 'found a'])
})

test.concurrent('what changes before it may be told is told then', async ({ onTestFinished }) => {
  const { told, write, start, settled } = await open(onTestFinished)
  const begun = Promise.withResolvers<void>()
  await start({ after: begun.promise })
  await write('a')
  await sleep(800)
  expect(told).toEqual([])
  begun.resolve()
  expect(await settled()).toEqual(['found a'])
})

test.concurrent('a folder that is never quiet is told of all the same, and its neighbours as ever', async ({ onTestFinished }) => {
  const { folder, told, write, start, settled } = await open(onTestFinished)
  await write('restless')
  await write('quiet')
  await start()
  let isOver = false
  let changes = 0
  const writing = (async () => {
    for (; !isOver; changes++) {
      await writeFile(join(folder, 'restless/index.ts'), String(changes))
      if (changes % 50 === 0) await sleep(1)
    }
  })()
  await vi.waitUntil(() => told.includes('found restless'), { timeout: 30_000 })
  await writeFile(join(folder, 'quiet/index.ts'), '2')
  await vi.waitUntil(() => told.includes('found quiet'), { timeout: 30_000 })
  isOver = true
  await writing
  expect(told.filter((one) => one === 'found restless').length).toBeLessThan(changes / 50)
  // Also of what came while nobody looked.
  told.length = 0
  await vi.waitUntil(() => told.includes('found restless'), { timeout: 40_000 })
  await settled()
  await writeFile(join(folder, 'restless/index.ts'), 'the end')
  expect(await settled()).toEqual(['found restless'])
})

test.concurrent('a failure of whoever is told does not end the watch', async ({ onTestFinished }) => {
  const { folder, told, warnings, write, start, settled } = await open(onTestFinished)
  await write('a')
  await start({
    async found(child) {
      told.push(`found ${child}`)
      throw new Error('no')
    },
  })
  for (let at = 0; at < 2; at++) {
    await writeFile(join(folder, 'a/index.ts'), String(at))
    expect(await settled()).toEqual(['found a'])
  }
  expect(warnings).toEqual(['cannot follow a change of a module', 'cannot follow a change of a module'])
})

test.concurrent('where the system has no watches left it says what to do, and looks at the files now and then', async ({ onTestFinished }) => {
  const { folder, warnings, write, start, settled } = await open(onTestFinished)
  await write('a')
  await start({
    open: (paths, options) => {
      const opened = watch(paths, options)
      if (options?.backend === 'auto') queueMicrotask(() => opened.emit('error', Object.assign(new Error('no watches'), { code: 'ENOSPC' })))
      return opened
    },
  })
  expect(warnings).toEqual([expect.stringMatching(/no watches left.*raise fs\.inotify\.max_user_watches/)])
  await settled()
  await writeFile(join(folder, 'a/index.ts'), '2 is longer')
  expect(await settled()).toEqual(['found a'])
  await write('b')
  expect(await settled()).toEqual(['found b'])
  await rm(join(folder, 'a'), { recursive: true })
  expect(await settled()).toEqual(['gone a'])
})

test.concurrent('once it is disposed nothing is told any more, and nothing is watched', async ({ onTestFinished }) => {
  const { folder, told, write, start, stop } = await open(onTestFinished)
  await write('a')
  await start()
  await writeFile(join(folder, 'a/index.ts'), '2')
  await stop()
  told.length = 0
  await writeFile(join(folder, 'a/index.ts'), '3')
  await sleep(800)
  expect(told).toEqual([])
})

test.concurrent('another folder in the place of the whole one is looked at from then on', async ({ onTestFinished }) => {
  const { root, folder, told, write, start, settled } = await open(onTestFinished)
  const current = join(root, 'current')
  await write('a')
  await write('old')
  await write('a', {}, join(root, 'release'))
  await write('new', {}, join(root, 'release'))
  await symlink(folder, current)
  await start({ folder: current, rootMs: 100 })
  execFileSync('ln', ['-sfn', join(root, 'release'), current])
  expect((await settled(3)).toSorted()).toEqual(['found a', 'found new', 'gone old'])
  await writeFile(join(root, 'release/new/index.ts'), '2')
  expect(await settled()).toEqual(['found new'])
  await writeFile(join(folder, 'a/index.ts'), '2')
  await sleep(900)
  expect(told).toEqual([])
})

test.concurrent('a folder that is not there yet is watched once it is', async ({ onTestFinished }) => {
  const { root, warnings, write, start, settled } = await open(onTestFinished)
  await start({ folder: join(root, 'later'), rootMs: 100 })
  expect(warnings).toEqual(['the modules folder is not watched, as there is none'])
  await write('a', {}, join(root, 'later'))
  expect((await settled()).at(-1)).toBe('found a')
})
