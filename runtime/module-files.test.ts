import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readModuleFiles } from './module-files.ts'

let outside: string
let folder: string

beforeAll(async () => {
  outside = await mkdtemp(join(tmpdir(), 'bulkhead-files-'))
  folder = join(outside, 'module')
  await mkdir(join(folder, 'data/node_modules'), { recursive: true })
  await writeFile(join(outside, 'secret.txt'), 'secret')
  await writeFile(join(folder, 'a.txt'), 'näher')
  await writeFile(join(folder, 'b.bin'), Buffer.from([255, 0]))
  await writeFile(join(folder, 'data/c.txt'), 'ccc')
  await writeFile(join(folder, 'data/node_modules/d.txt'), 'd')
  await symlink(join(outside, 'secret.txt'), join(folder, 'link.txt'))
  await symlink(outside, join(folder, 'data/up'))
  await symlink('..', join(folder, 'data/self'))
})
afterAll(() => rm(outside, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

test('a folder lends its files as text or as bytes, and no link leads out of it', async () => {
  const files = await readModuleFiles(folder, { bytes: 1_000, files: 1_000, depth: 4 })
  expect(files).toMatchObject({ 'a.txt': { text: 'näher' }, 'b.bin': { base64: '/wA=' }, 'data/c.txt': { text: 'ccc' } })
  expect(Object.keys(files).filter((path) => /secret|link|node_modules|up\//.test(path))).toEqual([])
  expect(JSON.stringify(files)).not.toContain('secret')
})

test('so many bytes and files, and not one more', async () => {
  const limits = { bytes: 1_000, files: 1_000, depth: 0 }
  expect(await readModuleFiles(folder, { ...limits, bytes: 8 })).toEqual({ 'a.txt': { text: 'näher' }, 'b.bin': { base64: '/wA=' } })
  expect(await readModuleFiles(folder, { ...limits, bytes: 7 })).toEqual({ 'a.txt': { text: 'näher' }, 'b.bin': { size: 2 } })
  expect(Object.keys(await readModuleFiles(folder, { ...limits, files: 2 }))).toHaveLength(2)
  expect(Object.keys(await readModuleFiles(folder, { ...limits, files: 1 }))).toHaveLength(1)
})
