import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmod, cp, mkdir, readdir, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { canReach, findBinaries, makeRunnable } from './binaries.ts'
import { temporaryFolder } from './store.setup.ts'

const isRoot = process.getuid?.() === 0
const NOBODY = { uid: 65_534, gid: 65_534 }

let home: string
let version: string
beforeEach(async () => {
  home = await temporaryFolder()
  version = randomUUID()
})
afterEach(async () => {
  await rm(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  await rm(join(tmpdir(), `bulkhead-postgres-${version}-${process.getuid?.()}`), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

/** The package as npm unpacks it: without its symbolic links. */
async function unpacked(): Promise<string> {
  const { folder } = await findBinaries(undefined)
  const fresh = join(home, 'native')
  await cp(folder, fresh, { recursive: true, filter: (path) => !path.includes('/include/') })
  for (const entry of await readdir(join(fresh, 'lib'), { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await unlink(join(fresh, 'lib', entry.name))
  }
  return fresh
}

const run = (folder: string, user = {}) => promisify(execFile)(join(folder, 'bin', 'postgres'), ['--version'], { ...user })

test('the links that an install script would make are made, by however many starts at once', async () => {
  const folder = await unpacked()
  await expect(run(folder)).rejects.toThrow()
  const used = await Promise.all(Array.from({ length: 5 }, () => makeRunnable(folder, version, undefined)))
  expect(new Set(used)).toEqual(new Set([folder]))
  expect((await run(folder)).stdout).toMatch(/^postgres \(PostgreSQL\) \d+/)
})

test.runIf(isRoot)('what the server\'s user cannot reach is copied to where it can, once', async () => {
  const folder = await unpacked()
  await chmod(home, 0o700)
  const used = await Promise.all([makeRunnable(folder, version, NOBODY), makeRunnable(folder, version, NOBODY)])
  for (const copy of used) expect((await run(copy, NOBODY)).stdout).toMatch(/^postgres/)
  const kept = await makeRunnable(folder, version, NOBODY)
  expect(dirname(kept)).toBe(join(tmpdir(), `bulkhead-postgres-${version}-0`))
  expect(await makeRunnable(folder, version, NOBODY)).toBe(kept)
  for (const copy of used) if (copy !== kept) await rm(dirname(copy), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

test.runIf(isRoot)('a copy from which something was taken, or that others could change, is not used', async () => {
  const folder = await unpacked()
  await chmod(home, 0o700)
  const kept = await makeRunnable(folder, version, NOBODY)
  await chmod(dirname(kept), 0o777)
  const second = await makeRunnable(folder, version, NOBODY)
  await chmod(dirname(kept), 0o755)
  await unlink(join(kept, 'bin', 'initdb'))
  const third = await makeRunnable(folder, version, NOBODY)
  expect(new Set([kept, second, third]).size).toBe(3)
  for (const copy of [second, third]) await rm(dirname(copy), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

test('a folder can be reached when each above it may be passed, as owner, as group or as anybody', async () => {
  const inner = join(home, 'inner')
  await mkdir(inner)
  await chmod(home, 0o711)
  expect(canReach(inner, NOBODY)).toBe(true)
  await chmod(home, 0o710)
  expect(canReach(inner, NOBODY)).toBe(false)
  expect(canReach(inner, { uid: NOBODY.uid, gid: process.getgid?.() ?? 0 })).toBe(true)
  await chmod(home, 0o700)
  expect(canReach(inner, { uid: process.getuid?.() ?? 0, gid: NOBODY.gid })).toBe(true)
  await chmod(inner, 0o600)
  expect(canReach(inner, { uid: process.getuid?.() ?? 0, gid: NOBODY.gid })).toBe(false)
})
