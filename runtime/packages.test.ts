import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openPackages } from './packages.ts'
import { startRegistry, type TestRegistry } from './registry.setup.ts'
import { tarball } from './tarball.setup.ts'

let registry: TestRegistry
let cache: string
beforeEach(async () => {
  registry = await startRegistry()
  cache = await mkdtemp(join(tmpdir(), 'bulkhead-packages-'))
})
afterEach(async () => {
  await registry[Symbol.asyncDispose]()
  await rm(cache, { recursive: true, force: true, maxRetries: 20 })
})
const open = (more = {}) => openPackages({ registry: registry.url, cache, ...more })
const kept = async () => (await readdir(cache)).filter((name) => name !== 'registry')

test('a package is fetched with its files, its manifest and its hash', async () => {
  const integrity = registry.publish({ name: '@scope/words', version: '1.2.3', files: { 'lib/index.js': 'export default 1' }, manifest: { main: 'lib/index.js' } })
  const fetched = await open().fetch('@scope/words')
  expect(fetched).toMatchObject({ name: '@scope/words', version: '1.2.3', integrity, manifest: { main: 'lib/index.js' } })
  expect(await readFile(join(fetched.folder, 'lib/index.js'), 'utf8')).toBe('export default 1')
})

test('a range is resolved as npm does it: the version tagged latest where it fits, else the highest', async () => {
  for (const version of ['1.0.0', '1.4.0', '2.0.0', '3.0.0-rc.1', '1.2.0']) registry.publish({ name: 'words', version })
  const packages = open()
  expect(await packages.resolve('words', '^1')).toEqual({ name: 'words', version: '1.2.0' })
  expect(await packages.resolve('words', '>=1.3')).toEqual({ name: 'words', version: '2.0.0' })
  expect(await packages.resolve('words', 'latest')).toEqual({ name: 'words', version: '1.2.0' })
  expect(await packages.resolve('alias', 'npm:words@2')).toEqual({ name: 'words', version: '2.0.0' })
})

test('what was fetched before is there without the network, by range, version, tag and pin', async () => {
  const integrity = registry.publish({ name: 'words', version: '1.2.3' })
  await open().fetch('words@^1')
  await registry.unplug()
  const packages = open()
  for (const spec of ['words@^1', 'words@1.2.3', 'words', 'words@latest', 'alias@npm:words@1']) {
    expect(await packages.fetch(spec), spec).toMatchObject({ name: 'words', version: '1.2.3' })
  }
  expect(await packages.fetch('words@1.2.3', { integrity })).toMatchObject({ integrity })
  expect(await packages.resolve('words', '1')).toEqual({ name: 'words', version: '1.2.3' })
})

test('a version that is on the disk is not asked for again, nor is one asked for twice at a time', async () => {
  const integrity = registry.publish({ name: 'words', version: '1.2.3' })
  const packages = open()
  await Promise.all([packages.fetch('words@1.2.3'), packages.fetch('words@1.2.3')])
  expect(registry.requests).toEqual(['words', 'words/-/words-1.2.3.tgz'])
  await packages.fetch('words@1.2.3')
  await packages.fetch('words@1.2.3', { integrity })
  await open().fetch('words@1.2.3', { integrity })
  expect(registry.requests).toHaveLength(2)
})

test('unknown packages and versions, odd names and a missing network are told apart', async () => {
  registry.publish({ name: 'words', version: '1.2.3' })
  const packages = open()
  await expect(packages.fetch('wordz')).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'the registry has no npm package "wordz"' })
  await expect(packages.resolve('words', '^9')).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'npm package "words" has no version "^9", the latest is 1.2.3' })
  for (const spec of ['github:a/b', 'words@git+https://x.test/a', 'words@file:../x', './x', '/etc', 'words@https://x.test/a.tgz', 'a/b', '', 'words@workspace:*', '@a', '../x@1', 'x@npm:../y']) {
    await expect(packages.fetch(spec), spec).rejects.toMatchObject({ code: 'INVALID' })
  }
  await registry.unplug()
  await expect(packages.fetch('other')).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'cannot fetch npm package "other@latest": the registry cannot be reached (ECONNREFUSED)' })
  expect(await kept()).toEqual([])
})

test('a disk without a place to keep things is not taken for a missing network', async () => {
  registry.publish({ name: 'words' })
  await writeFile(join(cache, 'registry'), 'a file')
  await expect(open().fetch('words')).rejects.toMatchObject({ code: 'STORE_FAILED', message: 'cannot fetch npm package "words@latest": there is no place on this disk to keep it (EEXIST)' })
})

test('an archive with another hash than listed, or than pinned, is refused and not kept', async () => {
  registry.publish({ name: 'swapped', dist: { integrity: `sha512-${createHash('sha512').update('other').digest('base64')}` } })
  await expect(open().fetch('swapped')).rejects.toMatchObject({ code: 'INVALID', message: 'cannot fetch npm package "swapped@latest": what the registry sent has another hash than it lists' })
  expect(await kept()).toEqual([])

  const theirs = registry.publish({ name: 'theirs' })
  registry.publish({ name: 'words' })
  await open().fetch('theirs', { integrity: theirs })
  await expect(open().fetch('words', { integrity: theirs })).rejects.toThrow('its hash is not the pinned one')
  await expect(open().fetch('words', { integrity: 'sha1-abc' })).rejects.toThrow('the pinned hash is not of the form sha512-…')
})

test('packages that list only the older kind of hash are checked by it', async () => {
  const archive = tarball([{ path: 'package/package.json', content: '{}' }])
  const shasum = createHash('sha1').update(archive).digest('hex')
  registry.publish({ name: 'old', archive, dist: { integrity: undefined, shasum } })
  expect((await open().fetch('old')).integrity).toMatch(/^sha512-/)
  registry.publish({ name: 'older', archive, dist: { integrity: undefined, shasum: shasum.replace(/^./, (first) => (first === '0' ? '1' : '0')) } })
  await expect(open().fetch('older')).rejects.toThrow('another hash')
})

test('scripts of a package are never run, and its links are left out', async () => {
  const ran = join(cache, 'ran')
  const scripts = Object.fromEntries(['preinstall', 'install', 'postinstall', 'prepare'].map((name) => [name, `touch ${ran}`]))
  const archive = tarball([
    { path: 'package/package.json', content: JSON.stringify({ name: 'words', version: '1.0.0', scripts }) },
    { path: 'package/out', type: 'SymbolicLink', linkpath: '/etc/passwd' },
    { path: 'package/index.js', content: '1' },
  ])
  registry.publish({ name: 'words', manifest: { scripts, hasInstallScript: true }, archive })
  const { folder } = await open().fetch('words')
  expect((await readdir(folder)).toSorted()).toEqual(['index.js', 'package.json'])
  await expect(access(ran)).rejects.toThrow('ENOENT')
})

test('the limit of an archive\'s size holds, and ends the download', async () => {
  const noise = execFileSync('head', ['-c', '60000', '/dev/urandom']).toString('base64')
  registry.publish({ name: 'large', files: { 'index.js': noise } })
  const limits = { compressedBytes: 1000, unpackedBytes: 1_000_000, ratio: 100, files: 10, depth: 4, pathBytes: 100 }
  await expect(open({ limits }).fetch('large')).rejects.toMatchObject({ code: 'INVALID', details: { limit: 'compressedBytes', value: 1000 } })
  await expect(open({ limits: { ...limits, compressedBytes: 1_000_000, unpackedBytes: 50_000 } }).fetch('large')).rejects.toMatchObject({
    message: 'cannot fetch npm package "large@latest": it unpacks to over 50000 bytes',
    details: { limit: 'unpackedBytes', value: 50_000 },
  })
  expect(await kept()).toEqual([])
  expect(await open({ limits: { ...limits, compressedBytes: 1_000_000 } }).fetch('large')).toMatchObject({ name: 'large' })
})

test('an archive with a path that leads out, or without package.json, is refused', async () => {
  registry.publish({ name: 'out', archive: tarball([{ path: 'package/../../evil.js', content: '1' }]) })
  await expect(open().fetch('out')).rejects.toThrow('cannot fetch npm package "out@latest": "package/../../evil.js" leads out of the archive')
  registry.publish({ name: 'bare', archive: tarball([{ path: 'package/index.js', content: '1' }]) })
  await expect(open().fetch('bare')).rejects.toThrow('it has no package.json that can be read')
  expect(await kept()).toEqual([])
})

test('what a killed host had begun to write is removed, and what another one writes now is not', async () => {
  const old = join(cache, 'aa.1.part')
  await mkdir(join(old, 'files'), { recursive: true })
  await mkdir(join(cache, 'bb.2.part'))
  await utimes(old, new Date(0), new Date(0))
  registry.publish({ name: 'words' })
  await open().fetch('words')
  expect((await kept()).filter((name) => name.endsWith('.part'))).toEqual(['bb.2.part'])
})

test.each([
  ['says nothing', () => {}, 'UNAVAILABLE', 'the registry takes too long'],
  ['stops in the middle of its list', (response) => response.write('{"name":'), 'UNAVAILABLE', 'the registry takes too long'],
  ['breaks off', (response) => void (response.write('{"name":'), setTimeout(() => response.destroy(), 20)), 'UNAVAILABLE', 'the registry cannot be reached'],
  ['has a page for people', (response) => response.end('<html>'), 'INVALID', 'what the registry sent makes no sense'],
  ['has no archive', (response) => response.end(listing({})), 'INVALID', 'what the registry sent makes no sense'],
  ['names a file of this host', (response) => response.end(listing({ tarball: 'file:///etc/passwd' })), 'INVALID', 'an archive that is not its own'],
  ['names a repository', (response) => response.end(listing({ tarball: 'git+file:///srv/x' })), 'INVALID', 'an archive that is not its own'],
  ['is out of order', (response) => response.writeHead(503).end('{}'), 'UNAVAILABLE', 'the registry cannot be reached (E503)'],
  ['wants to know who asks', (response) => response.writeHead(401).end('{}'), 'UNAVAILABLE', 'the registry refuses to give it out (401)'],
  ['stops in the middle of an archive', (response, url) => (url.endsWith('.tgz') ? response.write('half') : response.end(listing({ tarball: '/words.tgz' }))), 'UNAVAILABLE', 'the registry takes too long'],
  ['breaks off an archive', (response, url) => (url.endsWith('.tgz') ? void (response.write('half'), setTimeout(() => response.destroy(), 20)) : response.end(listing({ tarball: '/words.tgz' }))), 'UNAVAILABLE', 'the registry cannot be reached'],
] satisfies [string, (response: ServerResponse, url: string) => unknown, string, string][])('a registry that %s is told of, and does no harm', async (_, answer, code, why) => {
  const server = createServer((request, response) => void answer(response, request.url ?? ''))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const fetched = openPackages({ registry: origin, cache, timeoutMs: 1500 }).fetch('words')
  await expect(fetched).rejects.toMatchObject({ code, message: expect.stringContaining(why) })
  expect(await kept()).toEqual([])
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

let origin = ''
function listing({ tarball: address }: { tarball?: string }): string {
  const dist = address === undefined ? undefined : { tarball: address.startsWith('/') ? origin + address : address }
  return JSON.stringify({ name: 'words', 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': { name: 'words', version: '1.0.0', dist } } })
}
