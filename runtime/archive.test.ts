import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MODULE_ARCHIVE, unpackModule } from './archive.ts'
import { tar, tarball, type TarEntry } from './tarball.setup.ts'

let root: string
let folder: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bulkhead-archive-'))
  folder = join(root, 'module')
})
afterEach(() => rm(root, { recursive: true, force: true, maxRetries: 20 }))

async function* stream(bytes: Buffer, step = 65_536): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step)
}
const unpack = (entries: TarEntry[] | Buffer, more: Partial<typeof MODULE_ARCHIVE> = {}) =>
  unpackModule(stream(Buffer.isBuffer(entries) ? entries : tarball(entries)), folder, { ...MODULE_ARCHIVE, ...more })
const files = async () => (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name).slice(folder.length + 1)).toSorted()
const yaml = { path: 'module.yaml', content: 'name: a' }
async function refuses(entries: TarEntry[] | Buffer, why: string | RegExp, more = {}): Promise<void> {
  await expect(unpack(entries, more)).rejects.toMatchObject({ code: 'INVALID', message: expect.stringMatching(why) })
  expect(await readdir(root)).toEqual([])
}

describe('what is unpacked', () => {
  test('files in folders, with what tar makes of them', async () => {
    const made = join(root, 'made')
    await mkdir(join(made, 'lib/deep'), { recursive: true })
    await writeFile(join(made, 'module.yaml'), 'name: a')
    await writeFile(join(made, 'lib/deep/index.ts'), 'export default 1')
    await writeFile(join(made, 'empty.txt'), '')
    await unpack(execFileSync('tar', ['-cz', '-C', made, '.']))
    expect(await files()).toEqual(['empty.txt', 'lib/deep/index.ts', 'module.yaml'])
    expect(await readFile(join(folder, 'lib/deep/index.ts'), 'utf8')).toBe('export default 1')
  })

  test('one folder around the module is left out, but not where the module is not in it', async () => {
    await unpack([{ path: 'my-module/', type: 'Directory' }, { path: 'my-module/module.yaml' }, { path: 'my-module/lib/a.ts' }])
    expect(await files()).toEqual(['lib/a.ts', 'module.yaml'])
    await rm(folder, { recursive: true })
    await unpack([{ path: 'lib/a.ts' }, { path: 'lib/module.yaml' }, { path: 'b.ts' }])
    expect(await files()).toEqual(['b.ts', 'lib/a.ts', 'lib/module.yaml'])
  })

  test('an archive that arrives byte by byte, and one with long and foreign names', async () => {
    const long = `${'folder-'.repeat(20)}/${'näme-'.repeat(14)}.ts`
    await unpackModule(stream(tarball([yaml, { path: long, content: 'x'.repeat(2000) }]), 1), folder)
    expect(await files()).toEqual([long, 'module.yaml'])
  })

  test('nothing of the rights and the times in it', async () => {
    const made = join(root, 'made')
    await mkdir(made)
    await writeFile(join(made, 'module.yaml'), '', { mode: 0o777 })
    execFileSync('chmod', ['6777', join(made, 'module.yaml')])
    await unpack(execFileSync('tar', ['-cz', '-C', made, 'module.yaml']))
    const [mode] = execFileSync('stat', ['-c', '%a', join(folder, 'module.yaml')]).toString().split('\n')
    expect(Number.parseInt(mode!, 8) & 0o7111).toBe(0)
  })
})

describe('what is refused, and leaves nothing behind', () => {
  test.each([
    [{ path: 'a', type: 'SymbolicLink', linkpath: 'module.yaml' }, '"a" is a link'],
    [{ path: 'a', type: 'SymbolicLink', linkpath: '/etc' }, '"a" is a link'],
    [{ path: 'a', type: 'Link', linkpath: 'module.yaml' }, '"a" is a link'],
    [{ path: 'a', type: 'FIFO' }, '"a" is neither a file nor a folder'],
    [{ path: 'a', type: 'CharacterDevice' }, '"a" is neither a file nor a folder'],
    [{ path: 'a', type: 'BlockDevice' }, '"a" is neither a file nor a folder'],
    [{ path: '/etc/passwd' }, '"/etc/passwd" is an absolute path'],
    [{ path: '../a' }, '"../a" leads out of the archive'],
    [{ path: 'lib/../../a' }, '"lib/../../a" leads out of the archive'],
    [{ path: 'lib/../a' }, '"lib/../a" leads out of the archive'],
    [{ path: '..', type: 'Directory' }, '".." leads out of the archive'],
    [{ path: 'a//b' }, '"a//b" is not a plain path'],
    [{ path: 'a/./b' }, '"a/./b" is not a plain path'],
    [{ path: 'a\\..\\b' }, 'has characters that no path may have'],
    [{ path: 'a\nb' }, 'has characters that no path may have'],
    [{ path: 'module.yaml' }, '"module.yaml" is in it twice'],
    [{ path: './module.yaml' }, '"module.yaml" is in it twice'],
    [{ path: 'Module.yaml' }, '"Module.yaml" and "module.yaml" are the same name on some file systems'],
    [{ path: 'module.yaml/a' }, '"module.yaml" is both a file and a folder'],
  ] satisfies [TarEntry, string][])('%j', async (entry, why) => {
    await refuses([yaml, entry], why.replace(/[.\\]/g, '\\$&'))
  })

  test('names that differ only in case or in how a letter is written, also of folders', async () => {
    await refuses([{ path: 'Lib/a' }, { path: 'lib/b' }], '"lib" and "Lib" are the same name')
    await refuses([{ path: 'caf\u00e9' }, { path: 'cafe\u0301' }], 'are the same name')
    await refuses([{ path: 'a' }, { path: 'a', type: 'Directory' }], '"a" is both a file and a folder')
  })

  test('a name that is no UTF-8', async () => {
    const bytes = tar([{ path: 'aXb' }])
    bytes[1] = 0xff
    const sum = bytes.subarray(0, 512).reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 32 : byte), 0)
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    await refuses(gzipSync(bytes), 'has characters that no path may have')
  })

  test('what is no archive, half of one, or a damaged one', async () => {
    const whole = tarball([yaml, { path: 'a', content: randomBytes(5000) }])
    await refuses(Buffer.from('hello'), 'it is damaged, or not compressed by gzip')
    await refuses(tar([yaml]), 'it is damaged, or not compressed by gzip')
    await refuses(whole.subarray(0, whole.length - 2000), 'it is damaged, or not compressed by gzip')
    await refuses(gzipSync(tar([yaml, { path: 'a', content: 'x'.repeat(5000) }]).subarray(0, 3000)), 'Truncated input')
    await refuses(gzipSync('x'.repeat(2048)), 'TAR_ENTRY_INVALID')
    await refuses(gzipSync(''), 'it is empty')
    await refuses(Buffer.alloc(0), /it is (empty|damaged)/)
    await refuses(gzipSync(Buffer.alloc(1024)), 'TAR_BAD_ARCHIVE')
  })

  test('an archive in an archive, which would be unpacked uncounted', async () => {
    await refuses(gzipSync(tarball([yaml])), 'it is compressed twice')
    await refuses(gzipSync(zstdCompressSync(tar([yaml]))), 'it is compressed twice')
  })

  test('what the sender breaks off', async () => {
    async function* broken() {
      yield tarball([yaml]).subarray(0, 50)
      throw new Error('the line went dead')
    }
    await expect(unpackModule(broken(), folder)).rejects.toThrow('the line went dead')
    expect(await readdir(root)).toEqual([])
  })

  test('an archive where something else is', async () => {
    await mkdir(folder)
    await writeFile(join(folder, 'mine'), '')
    await expect(unpack([yaml])).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await readdir(root)).toEqual(['module'])
    expect(await files()).toEqual(['mine'])
  })
})

describe('limits: just under, and past', () => {
  const noise = randomBytes(10_000)
  const packed = tarball([yaml, { path: 'noise', content: noise }])
  const size = tar([yaml, { path: 'noise', content: noise }]).length

  test.each([
    ['compressedBytes', packed.length, packed],
    ['unpackedBytes', size, packed],
    ['files', 3, tarball([yaml, { path: 'a' }, { path: 'b/', type: 'Directory' }])],
    ['depth', 2, tarball([yaml, { path: 'a/b/c' }])],
    ['pathBytes', 30, tarball([yaml, { path: 'ä'.repeat(15) }])],
    // 2 MB of zeros, which gzip makes small.
    ['ratio', Math.ceil(2_099_200 / tarball([yaml, { path: 'zeros', content: Buffer.alloc(2_096_640) }]).length), tarball([yaml, { path: 'zeros', content: Buffer.alloc(2_096_640) }])],
  ] as const)('%s', async (limit, enough, archive) => {
    await unpack(archive, { ratio: 100_000, [limit]: enough })
    expect(await files()).toContain('module.yaml')
    await rm(folder, { recursive: true })
    await expect(unpack(archive, { ratio: 100_000, [limit]: enough - 1 })).rejects.toMatchObject({ code: 'INVALID', details: { limit, value: enough - 1 } })
    expect(await readdir(root)).toEqual([])
  })

  test('a small archive may be packed as tightly as it likes', async () => {
    await unpack([yaml, { path: 'zeros', content: Buffer.alloc(900_000) }])
    expect(await files()).toContain('zeros')
  })

  test('a bomb is given up as soon as it is known for one, though it has no end', async () => {
    async function* bomb() {
      yield gzipSync(tar([yaml]).subarray(0, 1024))
      for (;;) yield zeros
    }
    const zeros = gzipSync(Buffer.alloc(1024 * 1024))
    await expect(unpackModule(bomb(), folder)).rejects.toMatchObject({ details: { limit: 'ratio' } })
    expect(await readdir(root)).toEqual([])
  })

  test('headers that only describe others are limited as well', async () => {
    await refuses([yaml, { path: 'a'.repeat(70_000) }], 'neither a file nor a folder')
    await refuses([yaml, { path: 'a'.repeat(60_000) }], 'a path in it is over 240 bytes')
  })
})
