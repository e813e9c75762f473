import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAllowance, openKeptFiles, openSources, SourceError } from './sources.ts'

let root: string
let folder: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'bulkhead-sources-'))
  folder = join(root, 'module')
  await mkdir(join(folder, 'lib'), { recursive: true })
  await writeFile(join(folder, 'a.ts'), 'hello')
  await writeFile(join(folder, 'lib/b.ts'), 'there')
  await writeFile(join(root, 'secret.ts'), 'secret')
  await mkdir(join(root, 'module-2'))
  await writeFile(join(root, 'module-2/c.ts'), 'sibling')
})
afterAll(() => rm(root, { recursive: true }))

test('files inside the folder are read, also through links that stay inside', async () => {
  await symlink('lib', join(folder, 'inside'))
  const sources = await openSources(folder)
  expect((await sources.read('a.ts')).toString()).toBe('hello')
  expect((await sources.read('inside/b.ts')).toString()).toBe('there')
  expect(await sources.has('a.ts')).toBe(true)
  expect(await sources.has('z.ts')).toBe(false)
})

test('the folder itself may be reached by a link', async () => {
  await symlink(folder, join(root, 'linked'))
  expect((await (await openSources(join(root, 'linked'))).read('a.ts')).toString()).toBe('hello')
})

test('nothing outside is read, nor is its name told', async () => {
  await symlink('../secret.ts', join(folder, 'out.ts'))
  await symlink('..', join(folder, 'up'))
  await symlink('../module-2', join(folder, 'sibling'))
  const sources = await openSources(folder)
  for (const path of ['out.ts', 'up/secret.ts', '../secret.ts', 'sibling/c.ts', '../module-2/c.ts']) {
    await expect(sources.read(path), path).rejects.toThrow(/leads out of the module's folder/)
  }
  const missing = await sources.read('up/secre.ts').catch((error: Error) => error.message)
  expect(missing).toBe('"up/secre.ts" does not exist')
})

test('nothing outside is read while folders are swapped for links and back', async () => {
  const swapped = join(root, 'swapped')
  await mkdir(join(swapped, 'good'), { recursive: true })
  await mkdir(join(root, 'outside'))
  await writeFile(join(swapped, 'good/x.ts'), 'inside')
  await writeFile(join(root, 'outside/x.ts'), 'outside')
  await symlink('../outside', join(swapped, 'bad'))
  const swap = `const { renameSync } = require('fs'); for (;;) for (const name of ['good', 'bad']) { renameSync(name, 'lib'); renameSync('lib', name) }`
  const swapping = spawn(process.execPath, ['-e', swap], { cwd: swapped, stdio: 'ignore' })
  try {
    const sources = await openSources(swapped, { bytes: 1e9, files: 1e9 })
    const read = new Set<string>()
    for (let n = 0; n < 50_000 && (n < 10_000 || !read.has('inside')); n++) {
      const content = await sources.read('lib/x.ts').then(String, (thrown: unknown) => (thrown instanceof SourceError ? '' : String(thrown)))
      read.add(content)
    }
    expect([...read].filter((content) => content !== '')).toEqual(['inside'])
  } finally {
    swapping.kill('SIGKILL')
    await once(swapping, 'exit')
  }
})

test('what is no regular file is refused without waiting for it', async () => {
  execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', join(folder, 'pipe.ts')])
  await symlink('/dev/zero', join(folder, 'endless.ts'))
  const sources = await openSources(folder)
  await expect(sources.read('pipe.ts')).rejects.toThrow('"pipe.ts" is not a regular file')
  await expect(sources.read('endless.ts')).rejects.toThrow(SourceError)
  await expect(sources.read('lib')).rejects.toThrow('"lib" is a folder, name the file in it')
  await expect(sources.read('a.ts\0')).rejects.toThrow('does not exist')
})

test('the limits hold for all files together', async () => {
  const bytes = await openSources(folder, { bytes: 10, files: 9 })
  await bytes.read('a.ts')
  await bytes.read('lib/b.ts')
  await expect(bytes.read('a.ts')).rejects.toThrow("the module's files are too large, the limit is 10 bytes together")
  const files = await openSources(folder, { bytes: 99, files: 2 })
  await files.read('a.ts')
  await files.read('a.ts')
  await expect(files.read('a.ts')).rejects.toThrow('the module has too many files, the limit is 2')
})

test('kept folders are read without their links, under an allowance that they share', async () => {
  await mkdir(join(root, 'kept/lib'), { recursive: true })
  await writeFile(join(root, 'kept/lib/a.js'), 'hello')
  await writeFile(join(root, 'kept/b.js'), 'there')
  await symlink('../secret.ts', join(root, 'kept/out.js'))
  const allowance = openAllowance({ bytes: 14, files: 9 })
  const [one, other] = await Promise.all(['kept', 'kept/lib'].map((path) => openKeptFiles(join(root, path), allowance)))
  expect([await one!.hasFile('lib/a.js'), await one!.hasFile('lib'), await one!.has('lib'), await one!.hasFile('out.js')]).toEqual([true, false, true, false])
  expect((await one!.read('lib/a.js')).toString()).toBe('hello')
  expect((await one!.read('lib/a.js')).toString()).toBe('hello')
  await other!.read('a.js')
  await expect(one!.read('b.js')).rejects.toThrow("the module's files are too large, the limit is 14 bytes together")
  for (const path of ['out.js', '../secret.ts', 'lib/../../secret.ts', 'lib']) await expect(one!.read(path), path).rejects.toThrow('does not exist')
  await expect(openKeptFiles(join(root, 'nowhere'), allowance)).rejects.toThrow(SourceError)
})
