import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { MODULE_ARCHIVE, unpackModule } from './archive.ts'
import { tar, type TarEntry } from './tarball.setup.ts'

const LIMITS = { ...MODULE_ARCHIVE, unpackedBytes: 100_000, files: 20, depth: 4, pathBytes: 60 }

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'bulkhead-fuzz-'))
})
afterAll(() => rm(root, { recursive: true, force: true, maxRetries: 20 }))

const name = fc.oneof(fc.constantFrom('a', 'A', 'b', '..', '.', '', 'module.yaml', 'é', 'e\u0301', '\\', 'x'.repeat(300)), fc.string({ unit: 'binary', maxLength: 8 }))
const entry: fc.Arbitrary<TarEntry> = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 6 }).map((names) => names.join('/') || '/'),
  content: fc.oneof(fc.string(), fc.constant('x'.repeat(60_000))),
  type: fc.constantFrom('File', 'File', 'File', 'Directory', 'SymbolicLink', 'Link', 'FIFO', 'CharacterDevice'),
  linkpath: fc.oneof(fc.constant('/etc/passwd'), name),
})
const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 })

async function unpack(bytes: Buffer): Promise<void> {
  const folder = join(root, 'module')
  const arriving = (async function* () {
    yield bytes
  })()
  try {
    await unpackModule(arriving, folder, LIMITS)
    for (const found of await readdir(folder, { recursive: true, withFileTypes: true })) expect(found.isFile() || found.isDirectory()).toBe(true)
    await rm(folder, { recursive: true })
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(BulkheadError)
    expect((thrown as BulkheadError).code).toBe('INVALID')
  }
  expect(await readdir(root)).toEqual([])
}

test('whatever the entries of an archive are, it is unpacked as plain files or refused', async () => {
  await fc.assert(fc.asyncProperty(fc.array(entry, { maxLength: 12 }), (entries) => unpack(gzipSync(tar(entries)))), { numRuns: 300 })
}, 60_000)

test('whatever is damaged in an archive, before or after it was compressed, it is unpacked as plain files or refused', async () => {
  const whole = tar([{ path: 'm/module.yaml', content: 'name: a' }, { path: 'm/lib/a.ts', content: '1'.repeat(700) }, { path: 'ä'.repeat(20), content: '' }])
  const damaged = (bytes: Buffer, at: Array<[number, number]>): Buffer => {
    const copy = Buffer.from(bytes)
    for (const [place, value] of at) copy[place % copy.length] = value
    return copy
  }
  await fc.assert(
    fc.asyncProperty(damage, damage, async (before, after) => unpack(damaged(gzipSync(damaged(whole, before)), after))),
    { numRuns: 500 },
  )
}, 60_000)
