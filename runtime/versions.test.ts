import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MODULE_ARCHIVE } from './archive.ts'
import type { Artifact } from './bundle.ts'
import { parseManifest } from './manifest.ts'
import { findExternal, openTemporary, type TemporaryDatabase } from './store/store.setup.ts'
import { openVersionRows } from './store/version-rows.ts'
import { describeFiles, layOut, packFiles, readModuleFiles, unpackFiles } from './version-files.ts'
import { openVersions, type Versions } from './versions.ts'

const external = await findExternal()
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-versions-'))
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

async function write(name: string, files: Record<string, string | Buffer>): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, name, path, '..'), { recursive: true })
    await writeFile(join(folder, name, path), content)
  }
  return join(folder, name)
}

describe('the files of a version', () => {
  test('are known by paths and contents, whatever the order, without what package managers and editors put there', async () => {
    const one = await readModuleFiles(await write('one', { 'module.yaml': 'a', 'lib/b.ts': 'b', '.git/config': 'x', 'node_modules/x/index.js': 'x', '.env': 'SECRET=1' }))
    const two = await readModuleFiles(await write('two', { 'lib/b.ts': 'b', 'module.yaml': 'a' }))
    expect(one.list.map(({ path }) => path)).toEqual(['lib/b.ts', 'module.yaml'])
    expect(one.hash).toBe(two.hash)
    for (const other of [{ 'lib/b.ts': 'c', 'module.yaml': 'a' }, { 'lib/c.ts': 'b', 'module.yaml': 'a' }, { 'lib/b.ts': 'ba', 'module.yaml': '' }]) {
      expect(describeFiles(new Map(Object.entries(other).map(([path, text]) => [path, Buffer.from(text)]))).hash).not.toBe(one.hash)
    }
  })

  test('are packed and unpacked as they were, and refused where they are damaged', async () => {
    const files = await readModuleFiles(await write('packed', { 'module.yaml': 'a', 'b/é.bin': Buffer.from([0, 255, 10]), empty: '' }))
    const row = { files: files.list, hash: files.hash, content: await packFiles(files) }
    expect((await unpackFiles(row)).contents).toEqual(files.contents)
    await expect(unpackFiles({ ...row, content: await packFiles(describeFiles(new Map([['module.yaml', Buffer.from('other')]]))) })).rejects.toThrow('not those that were kept')
    await expect(unpackFiles({ ...row, content: Buffer.from('no gzip') })).rejects.toThrow()
  })

  test('are laid out whole, once, and put right where somebody has changed them', async () => {
    const files = await readModuleFiles(await write('laid', { 'module.yaml': 'a', 'deep/er/b.ts': 'b' }))
    const place = join(folder, 'out/laid')
    await Promise.all([layOut(files, place), layOut(files, place), layOut(files, place)])
    expect(await readFile(join(place, 'deep/er/b.ts'), 'utf8')).toBe('b')
    await writeFile(join(place, 'deep/er/b.ts'), 'tampered')
    await layOut(files, place)
    expect(await readFile(join(place, 'deep/er/b.ts'), 'utf8')).toBe('b')
    expect(await readdir(join(folder, 'out'))).toEqual(['laid'])
  })

  test('are as many, as deep and as large as an archive may have them, and no more', async () => {
    const many = Object.fromEntries(Array.from({ length: MODULE_ARCHIVE.files }, (_, n) => [`f${n}`, '']))
    const full = await write('many', many)
    expect((await readModuleFiles(full)).list).toHaveLength(MODULE_ARCHIVE.files)
    await write('many', { more: '' })
    await expect(readModuleFiles(full)).rejects.toThrow(`too many files, the limit is ${MODULE_ARCHIVE.files}`)

    const path = (levels: number) => `${'d/'.repeat(levels)}f`
    expect((await readModuleFiles(await write('deep', { [path(MODULE_ARCHIVE.depth)]: '' }))).list).toHaveLength(1)
    await expect(readModuleFiles(await write('deeper', { [path(MODULE_ARCHIVE.depth + 1)]: '' }))).rejects.toThrow('nested deeper')

    const large = await write('large', { big: Buffer.alloc(MODULE_ARCHIVE.unpackedBytes) })
    expect((await readModuleFiles(large)).list).toHaveLength(1)
    await write('large', { more: 'x' })
    await expect(readModuleFiles(large)).rejects.toThrow('too large')
  })

  test('are none that a link leads to outside', async () => {
    const place = await write('linked', { 'module.yaml': 'a', 'b.ts': 'b' })
    await symlink('b.ts', join(place, 'inside.ts'))
    expect((await readModuleFiles(place)).list.map(({ path }) => path)).toEqual(['b.ts', 'inside.ts', 'module.yaml'])
    await symlink('/etc/hostname', join(place, 'outside'))
    await expect(readModuleFiles(place)).rejects.toThrow('"outside" is a link that leads out')
  })
})

describe.each([['the embedded server', undefined], ...(external === undefined ? [] : [['an external server', external] as const])] as const)('versions on %s', (_, url) => {
  let temporary: TemporaryDatabase
  let versions: Versions
  let other: Versions
  beforeAll(async () => {
    temporary = await openTemporary(url)
    const rows = openVersionRows(temporary.database.sql)
    versions = await openVersions(rows, join(folder, 'host-1'))
    other = await openVersions(rows, join(folder, 'host-2'))
  })
  afterAll(() => temporary?.[Symbol.asyncDispose]())

  const artifact: Artifact = { hash: 'h', code: 'NUL \0, a lone \\ud800, é', map: '{}', inputs: ['index.ts'] }
  const keep = (name: string, text: string, by: Versions = versions) =>
    by.keep({
      manifest: parseManifest(`name: ${name}\nversion: 1.0.0\ndescription: A`, 'module.yaml'),
      files: describeFiles(new Map([['index.ts', Buffer.from(text)]])),
      artifact,
      origin: { kind: 'upload' },
      by: 'somebody',
    })

  test('are numbered as they come, and the same content is one', async () => {
    expect(await keep('a', 'one')).toEqual({ number: 1, isNew: true })
    expect(await keep('a', 'two')).toEqual({ number: 2, isNew: true })
    expect(await keep('a', 'one')).toEqual({ number: 1, isNew: false })
    const numbers = await Promise.all(Array.from({ length: 8 }, (__, n) => keep('a', `at once ${n % 4}`, n % 2 ? versions : other)))
    expect(new Set(numbers.map(({ number }) => number))).toEqual(new Set([3, 4, 5, 6]))
    expect(numbers.filter(({ isNew }) => isNew)).toHaveLength(4)
  })

  test('are laid out on another host with the bundle that was kept', async () => {
    const { folder: place, artifact: kept, hash } = await other.open('a', 2)
    expect(await readFile(join(place, 'index.ts'), 'utf8')).toBe('two')
    expect(kept).toEqual(artifact)
    expect(place).toBe(other.folderOf('a', hash))
    await expect(other.open('a', 99)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('that were laid out long ago and do not run are taken from the disk at the next start', async () => {
    await keep('tidied', 'one')
    await keep('tidied', 'two')
    await versions.change('tidied', { current: 1, installed: true }, 'somebody')
    const [running, old] = [(await versions.open('tidied', 1)).folder, (await versions.open('tidied', 2)).folder]
    const rows = openVersionRows(temporary.database.sql)
    await openVersions(rows, join(folder, 'host-1'))
    expect(await readdir(join(running, '..'))).toHaveLength(2)
    for (const place of [running, old]) await utimes(place, new Date(0), new Date(0))
    await openVersions(rows, join(folder, 'host-1'))
    expect(await readdir(join(running, '..'))).toEqual([basename(running)])
    await versions.remove('tidied')
  })

  test('have a bundle no more where another Bulkhead made it, or it is damaged', async () => {
    const { sql } = temporary.database
    await sql`update bulkhead.module_versions set built_with = 'another' where module = 'a' and number = 2`
    expect((await other.open('a', 2)).artifact).toBeUndefined()
    await sql`update bulkhead.module_versions set artifact = '\\x00' where module = 'a' and number = 1`
    expect((await other.open('a', 1)).artifact).toBeUndefined()
  })

  test('tell every host which one runs', async () => {
    await other.catchUp()
    await versions.change('a', { current: 2, installed: true }, 'somebody')
    expect(other.head('a')).toBeUndefined()
    expect(await other.catchUp()).toEqual(['a'])
    expect(other.head('a')).toMatchObject({ current: 2, installed: true, pinned: false, waiting: null })
    expect(await other.catchUp()).toEqual([])
    await other.change('a', { pinned: true, waiting: 3 }, 'somebody')
    expect(await versions.catchUp()).toContain('a')
    expect(versions.head('a')).toMatchObject({ current: 2, pinned: true, waiting: 3, installed: true })
  })

  test('past twenty are dropped, but for the one that runs and the one that waits', async () => {
    for (let n = 0; n < 30; n++) await keep('a', `many ${n}`)
    await other.open('a', 4)
    await versions.change('a', { pinned: false }, 'somebody')
    const left = (await versions.list('a', { limit: 100 })).items.map(({ number }) => number)
    expect(left).toEqual([...Array.from({ length: 20 }, (__, n) => 36 - n), 3, 2])
    await expect(versions.open('a', 4)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('that run or wait are not taken back, and all are gone with the module', async () => {
    await versions.drop('a', 2)
    await versions.drop('a', 36)
    expect((await versions.list('a', { limit: 100 })).items.map(({ number }) => number)).not.toContain(36)
    expect(await versions.find('a', { number: 2 })).toMatchObject({ number: 2 })
    await versions.remove('a')
    expect((await versions.list('a', { limit: 100 })).items).toEqual([])
    expect(versions.head('a')).toBeUndefined()
    expect(await other.catchUp()).toContain('a')
    expect(other.head('a')).toBeUndefined()
  })
})
