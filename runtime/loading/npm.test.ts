import { glob, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NO_PINS } from '../bundler/pins.ts'
import { publishInstalled } from '../installed.setup.ts'
import { openPackages } from '../packages.ts'
import { startRegistry, type TestRegistry } from '../registry.setup.ts'
import { openWorkshop, runArtifact, type Workshop } from './loading.setup.ts'
import { emptyLock, lockedDependency, MAX_LOCK_ENTRIES, parseLock } from './lock.ts'
import { openNpmTree, TREE_LIMITS } from './npm-tree.ts'

let registry: TestRegistry
let workshop: Workshop
beforeAll(async () => {
  registry = await startRegistry()
  workshop = await openWorkshop(() => ({ npmRegistry: registry.url }))
  publishAll()
})
afterAll(async () => {
  await workshop[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})

const json = (value: unknown) => JSON.stringify(value)

function publishAll(): void {
  const esm = { type: 'module', exports: './index.js' }
  for (const version of ['1.0.0', '1.2.0', '2.0.0']) registry.publish({ name: 'leaf', version, manifest: esm, files: { 'index.js': `export const version = '${version}'` } })
  registry.publish({ name: 'branch', manifest: { ...esm, dependencies: { leaf: '^1.0.0' } }, files: { 'index.js': "export { version } from 'leaf'" } })
  registry.publish({ name: 'twig', manifest: { ...esm, dependencies: { leaf: '~1.0.0', other: 'npm:leaf@2' } }, files: { 'index.js': "import { version } from 'leaf'\nimport * as other from 'other'\nexport const versions = [version, other.version]" } })
  registry.publish({ name: 'peered', manifest: { ...esm, peerDependencies: { leaf: '*', missing: '*' }, peerDependenciesMeta: { missing: { optional: true } }, optionalDependencies: { native: '1' } }, files: { 'index.js': "export { version } from 'leaf'" } })
  registry.publish({
    name: 'conditional',
    manifest: {
      exports: {
        '.': { types: './index.d.ts', node: './node.js', import: './esm.mjs', require: './cjs.js', default: './no.js' },
        './deno': { deno: './deno.mjs', default: './no.js' },
        './browser': { node: './node.js', browser: './browser.js', default: './no.js' },
        './node': { node: './node.js' },
        './parts/*': './parts/*.mjs',
        './hidden': null,
      },
      imports: { '#inner': './inner.mjs', '#leaf': 'leaf' },
      dependencies: { leaf: '2' },
    },
    files: {
      'esm.mjs': "import inner from '#inner'\nimport { version } from '#leaf'\nimport own from 'conditional/deno'\nexport default ['esm', inner, version, own]",
      'cjs.js': "module.exports = 'cjs'",
      'deno.mjs': "export default 'deno'",
      'browser.js': "module.exports = 'browser'",
      'node.js': "module.exports = 'node'",
      'parts/a.mjs': "export default 'part'",
      'inner.mjs': "export default 'inner'",
    },
  })
  registry.publish({
    name: 'old-style',
    manifest: { main: 'lib', dependencies: { conditional: '1' } },
    files: {
      'lib/index.js': `
        var other = require('./other'), path = require('path'), data = require('../data')
        exports.__esModule = true
        exports.default = 'the default'
        exports.named = other.b + data.c
        exports.joined = path.join('a', 'b')
        exports.conditional = require('conditional')
        exports.place = [__filename, __dirname, typeof require, this === exports]
        exports.env = process.env.NODE_ENV
        exports.buffer = Buffer.from('a').toString('hex') + typeof global
        try { exports.optional = require('not-there') } catch (error) { exports.optional = error.code }
        try { exports.fs = require('fs').readFileSync('/etc/passwd') } catch (error) { exports.fs = error.code }`,
      'lib/other.js': 'exports.a = 1; exports.b = 2',
      'data.json': '{ "c": 3 }',
    },
  })
  registry.publish({ name: 'reads-files', manifest: esm, files: { 'index.js': "export * from './lib/deep.js'", 'lib/deep.js': "\nimport { readFile } from 'node:fs/promises'\nexport const read = readFile" } })
  registry.publish({ name: 'reads-elsewhere', manifest: { ...esm, browser: { fs: false, './lib/node.js': './lib/page.js', './lib/none.js': false } }, files: { 'index.js': "import fs from 'fs'\nimport lib from './lib/node.js'\nimport './lib/none.js'\nexport default [typeof fs, lib]", 'lib/node.js': "import 'node:net'", 'lib/page.js': "export default 'page'", 'lib/none.js': 'throw 1' } })
  registry.publish({ name: 'needs-nothing', manifest: { ...esm, dependencies: { nowhere: '^1' } }, files: { 'index.js': 'export default 1' } })
  registry.publish({ name: 'scripted', manifest: { ...esm, scripts: { preinstall: 'touch ran', postinstall: 'touch ran' } }, files: { 'index.js': 'export default 1' } })
  registry.publish({ name: 'unmarked', manifest: { main: './index.js', dependencies: { leaf: '1' } }, files: { 'index.js': "import { version } from 'leaf'\nexport default version\nexport const named = 1" } })
  registry.publish({
    name: 'made-up-paths',
    files: { 'index.js': "exports.load = (name) => require('./parts/' + name)\nexports.later = (name) => import(`./parts/${name}.js`)\nexports.any = (name) => import(name)\nexports.indirect = (name) => require(name)", 'parts/a.js': '' },
  })
  registry.publish({ name: 'pure', manifest: { ...esm, sideEffects: false }, files: { 'index.js': "export * from './a.js'\nexport * from './b.js'", 'a.js': "export const a = 1\nglobalThis.touchedA = true", 'b.js': "export const b = 2\nglobalThis.touchedB = true" } })
}

describe('packages of npm', () => {
  test('are imported by name, version, range, tag and path', async () => {
    const { values } = await workshop.run({
      'index.ts': `
        import { version as a } from 'npm:leaf'
        import { version as b } from 'npm:leaf@1'
        import { version as c } from 'npm:leaf@1.0.0'
        import { version as d } from 'npm:/leaf@latest'
        import part from 'npm:conditional@1/parts/a'
        const late = await import('npm:branch')
        export const values = [a, b, c, d, part, late.version]`,
    })
    expect(values).toEqual(['2.0.0', '1.2.0', '1.0.0', '2.0.0', 'part', '1.2.0'])
  })

  test('are imported by deno.json, with what is in them, and by package.json', async () => {
    const { values } = await workshop.run({
      'deno.json': json({ imports: { leaf: 'npm:leaf@1', conditional: 'npm:conditional@1' } }),
      'package.json': json({ dependencies: { twig: '*', leaf: '^2', '@scope/alias': 'npm:leaf@^1' } }),
      'index.ts': `
        import { version } from 'leaf'
        import part from 'conditional/parts/a'
        import { versions } from 'twig'
        import { version as alias } from '@scope/alias'
        import path from 'path'
        export const values = [version, part, versions, alias, path.join('a', 'b')]`,
    })
    expect(values).toEqual(['1.2.0', 'part', ['1.0.0', '2.0.0'], '1.2.0', 'a/b'])
  })

  test('say by conditions which file is meant: that for Deno, else that for where there is no Node', async () => {
    const { values } = await workshop.run({
      'index.ts': "import all from 'npm:conditional'\nimport deno from 'npm:conditional/deno'\nimport browser from 'npm:conditional/browser'\nimport node from 'npm:conditional/node'\nexport const values = [...all, deno, browser, node]",
    })
    expect(values).toEqual(['esm', 'inner', '2.0.0', 'deno', 'deno', 'browser', 'node'])
    const faults = await workshop.faults({ 'index.ts': "import 'npm:conditional/hidden'\nimport 'npm:conditional/none'" })
    expect(faults.map(({ text }) => text)).toEqual([
      'conditional@1.0.0 does not export "./hidden", it exports ., ./deno, ./browser, ./node, ./parts/*, ./hidden',
      'conditional@1.0.0 does not export "./none", it exports ., ./deno, ./browser, ./node, ./parts/*, ./hidden',
    ])
  })

  test('may be CommonJS, with what Node gives that', async () => {
    const { whole, values } = await workshop.run({
      'index.ts': "import whole, { named, joined, conditional, place, env, buffer, optional, fs } from 'npm:old-style'\nexport { whole }\nexport const values = [named, joined, conditional, place, env, buffer, optional, fs]",
    })
    expect((whole as { default: string }).default).toBe('the default')
    const place = ['/node_modules/old-style/lib/index.js', '/node_modules/old-style/lib', 'function', true]
    expect(values).toEqual([5, 'a/b', 'cjs', place, 'production', '61object', 'MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])
  })

  test('are modules by their text where nothing else says it', async () => {
    expect(await workshop.run({ 'index.ts': "export { default, named } from 'npm:unmarked'" })).toMatchObject({ default: '1.2.0', named: 1 })
  })

  test('may put paths together that are never needed', async () => {
    const { load, later, any, indirect } = (await workshop.run({ 'index.ts': "export { load, later, any, indirect } from 'npm:made-up-paths'" })) as Record<string, (name: string) => unknown>
    expect(() => load!('a')).toThrow('is not supported')
    expect(() => indirect!('node:fs')).toThrow('is not supported')
    await expect(later!('a')).rejects.toThrow('cannot import ./parts/a.js, it was not named when the module was installed')
    await expect(any!('node:fs')).rejects.toThrow()
  })

  test('have peers in common with the module, and optional ones not at all', async () => {
    const { values } = await workshop.run({ 'index.ts': "import { version } from 'npm:peered'\nimport { version as own } from 'npm:leaf@1.0.0'\nexport const values = [version, own]" })
    expect(values).toEqual(['1.0.0', '1.0.0'])
  })

  test('leave out what nobody uses, where they allow it', async () => {
    const { code } = await workshop.bundle(await workshop.folder({ 'index.ts': "export { a } from 'npm:pure'" }))
    expect(code).toContain('touchedA')
    expect(code).not.toContain('touchedB')
  })

  test('run no scripts', async () => {
    const { artifact } = { artifact: await workshop.bundle(await workshop.folder({ 'index.ts': "export { default } from 'npm:scripted'" })) }
    expect(await runArtifact(artifact)).toMatchObject({ default: 1 })
    expect(await Array.fromAsync(glob(join(workshop.root, '**/ran')))).toEqual([])
  })
})

describe('a package that cannot be had', () => {
  test.each([
    ["\nimport 'npm:nowhere'", 'the registry has no npm package "nowhere"'],
    ["\nimport 'npm:leaf@9'", 'npm package "leaf" has no version "9", the latest is 2.0.0'],
    ["\nimport 'npm:needs-nothing'", 'the registry has no npm package "nowhere", which needs-nothing@1.0.0 needs as nowhere@^1'],
    ["\nimport 'npm:'", '"npm:" names no package'],
  ])('is a fault where the author asks for it: %s', async (text, message) => {
    expect(await workshop.faults({ 'index.ts': text })).toEqual([expect.objectContaining({ text: message, file: 'index.ts', line: 2 })])
  })

  test('as it needs what no module has: the fault names who imports it, and the author’s line', async () => {
    const faults = await workshop.faults({ 'index.ts': "import './lib.ts'", 'lib.ts': "\n\nimport { read } from 'npm:reads-files'\nread()" })
    const chain = 'in npm:reads-files@1.0.0/lib/deep.js:2, imported by npm:reads-files@1.0.0/index.js:1'
    expect(faults).toEqual([
      {
        text: `"node:fs/promises" cannot be imported, a module has no disk; Deno.readTextFile reads the files of its own folder (${chain})`,
        file: 'lib.ts', line: 3, column: 22, lineText: "import { read } from 'npm:reads-files'",
      },
    ])
    expect(await workshop.run({ 'index.ts': "export { default } from 'npm:reads-elsewhere'" })).toMatchObject({ default: ['object', 'page'] })
  })

  test('is told beside all others, and faults of the module before anything is fetched', async () => {
    const faults = await workshop.faults({ 'index.ts': "import 'npm:nowhere'\nimport 'npm:leaf@7'\nimport 'npm:leaf'" })
    expect(faults.map(({ line }) => line)).toEqual([1, 2])
    const before = registry.requests.length
    expect(await workshop.faults({ 'index.ts': "import 'npm:never-asked'\nimport './missing.ts'" })).toHaveLength(1)
    expect(registry.requests).toHaveLength(before)
  })
})

describe('what was found once', () => {
  test('is found again: by the record with the artifact, without the network', async () => {
    const own = await startRegistry()
    await using shop = await openWorkshop(() => ({ npmRegistry: own.url }))
    const publish = (version: string) => own.publish({ name: 'moving', version, manifest: { type: 'module', exports: './index.js' }, files: { 'index.js': `export default '${version}'` } })
    const integrity = publish('1.0.0')
    const folder = await shop.folder({ 'index.ts': "export { default } from 'npm:moving@^1'" })
    const first = await shop.bundle(folder)
    expect(first.lock).toMatchObject({ specifiers: { 'npm:moving@^1': '1.0.0' }, npm: { 'moving@1.0.0': { integrity } } })
    publish('1.1.0')
    await writeFile(join(folder, 'index.ts'), "export { default } from 'npm:moving@^1'\nexport const more = 1")
    expect(await runArtifact(await shop.bundle(folder))).toMatchObject({ default: '1.0.0', more: 1 })
    const fresh = await shop.folder({ 'index.ts': "export { default } from 'npm:moving@^1'" })
    expect(await runArtifact(await shop.bundle(fresh))).toMatchObject({ default: '1.1.0' })
    await own.unplug()
    await writeFile(join(folder, 'index.ts'), "export { default } from 'npm:moving@^1'\nexport const more = 2")
    expect(await runArtifact(await shop.bundle(folder))).toMatchObject({ default: '1.0.0', more: 2 })
  })

  const lockOf = (version: string, integrity: string) => json({ version: '5', specifiers: { 'npm:branch@1': '1.0.0', 'npm:leaf@*': version }, npm: { 'branch@1.0.0': { integrity: '', dependencies: [`leaf@${version}`] }, [`leaf@${version}`]: { integrity } } })
  const using = { 'index.ts': "import { version } from 'npm:branch@1'\nimport { version as own } from 'npm:leaf'\nexport const values = [version, own]" }

  test('is what deno.lock says, down to the hash', async () => {
    const { lock } = await workshop.bundle(await workshop.folder({ 'index.ts': "import 'npm:leaf@1.0.0'" }))
    const integrity = lock!.npm['leaf@1.0.0']!.integrity!
    expect((await workshop.run({ ...using, 'deno.lock': lockOf('1.0.0', integrity) }))['values']).toEqual(['1.0.0', '1.0.0'])
    const other = `sha512-${Buffer.alloc(64, 7).toString('base64')}`
    const [fault] = await workshop.faults({ ...using, 'deno.lock': lockOf('1.0.0', other) })
    expect(fault).toMatchObject({ text: expect.stringContaining('its hash is not the pinned one'), file: 'index.ts' })
    expect(await workshop.faults({ ...using, 'deno.lock': '{ "version": "3" }' })).toEqual([{ text: 'the lock cannot be read: it has the form "3", and 4 and 5 are known', file: 'deno.lock', line: 1, column: 1 }])
    const frozen = json({ lock: { frozen: true } })
    expect((await workshop.faults({ 'index.ts': "import 'npm:leaf@2'", 'deno.json': frozen }))[0]?.text).toBe('cannot fetch npm:leaf@2, the lock is frozen and does not have it')
  })
})

describe('the limits of what a module may need', () => {
  const treeOf = async (given: Partial<typeof TREE_LIMITS>) => {
    const limits = { ...TREE_LIMITS, ...given }
    const pins = { ...NO_PINS, specifiers: {}, npm: {} }
    const tree = openNpmTree(openPackages({ registry: registry.url, cache: join(workshop.root, 'packages') }), pins, emptyLock(), emptyLock(), limits)
    await tree.add([{ kind: 'npm', name: 'twig', range: '*', subpath: '.' }])
    return Object.keys(pins.npm)
  }

  test('hold for packages and bytes', async () => {
    expect(await treeOf({ packages: 3 })).toHaveLength(3)
    await expect(treeOf({ packages: 2 })).rejects.toThrow(/^cannot fetch npm package ".*", the module needs more than 2 packages/)
    expect(await treeOf({ dependencies: 2 })).toHaveLength(3)
    await expect(treeOf({ dependencies: 1 })).rejects.toThrow('cannot fetch npm package "twig@1.0.0", the module needs a package that has more than 1 dependencies')
    const bytes = await sizeOf(join(workshop.root, 'packages'))
    expect(await treeOf({ packages: 3, bytes })).toHaveLength(3)
    await expect(treeOf({ packages: 3, bytes: bytes - 1 })).rejects.toThrow(`the module needs packages of more than ${bytes - 1} bytes together`)
  })
})

test('a lock is read up to its limit, in the forms that are known', () => {
  const lockOf = (count: number, version = '5') => json({ version, remote: Object.fromEntries(Array.from({ length: count }, (_, index) => [`https://x.test/${index}`, 'a'])) })
  expect(Object.keys(parseLock(lockOf(MAX_LOCK_ENTRIES)).remote)).toHaveLength(MAX_LOCK_ENTRIES)
  expect(() => parseLock(lockOf(MAX_LOCK_ENTRIES + 1))).toThrow('"remote" has more than 5000 entries')
  expect(() => parseLock(lockOf(1, '3'))).toThrow('it has the form "3", and 4 and 5 are known')
  expect(() => parseLock(json({ version: '4', npm: { 'a@1.0.0': 1 } }))).toThrow('"npm" of "a@1.0.0" makes no sense')
})

test('a lock tells versions apart from the peers that are written with them, and aliases from names', () => {
  const lock = parseLock(json({ version: '5', npm: { 'a@1.0.0_b@2.0.0': { integrity: 'x', dependencies: ['b', 'c@npm:d@3.0.0', 'e@4.0.0_b@2.0.0'] }, 'b@2.0.0': {} } }))
  expect(['b', 'c', 'e', 'f'].map((name) => lockedDependency(lock, 'a@1.0.0', name))).toEqual(['2.0.0', '3.0.0', '4.0.0', undefined])
})

/** Of the files of all packages in a cache. */
async function sizeOf(cache: string): Promise<number> {
  const files = await Array.fromAsync(glob(join(cache, '*/files/**/*'), { withFileTypes: true }))
  const sizes = await Promise.all(files.filter((file) => file.isFile()).map((file) => stat(join(file.parentPath, file.name))))
  return sizes.reduce((sum, { size }) => sum + size, 0)
}

test('packages that npm has installed here work in a bundle', { timeout: 60_000 }, async () => {
  await publishInstalled(registry, 'hono', 'yaml', 'semver', 'ajv')
  const { values } = await workshop.run({
    'deno.json': json({ imports: { hono: 'npm:hono@^4' } }),
    'index.ts': `
      import { Hono } from 'hono'
      import { cors } from 'hono/cors'
      import { parse } from 'npm:yaml'
      import semver from 'npm:semver'
      import Ajv from 'npm:ajv'
      const app = new Hono().use(cors()).get('/:name', (c) => c.json({ name: c.req.param('name') }))
      const answer = await app.request('/ann')
      export const values = [await answer.json(), parse('a: [1]'), semver.inc('1.2.3', 'minor'), new Ajv().compile({ type: 'string' })(1)]`,
  })
  expect(values).toEqual([{ name: 'ann' }, { a: [1] }, '1.3.0', false])
})

test('what is fetched is used from the disk by all modules, and fetched anew where it is gone', async () => {
  const files = { 'index.ts': "export { version } from 'npm:leaf@1.0.0'" }
  await workshop.bundle(await workshop.folder(files))
  const before = registry.requests.length
  await workshop.bundle(await workshop.folder(files))
  expect(registry.requests.slice(before).filter((path) => path.endsWith('.tgz'))).toEqual([])
  await rm(join(workshop.root, 'cache/imports'), { recursive: true, force: true, maxRetries: 20 })
  expect(await workshop.run({ 'index.ts': "export { version } from 'npm:leaf@1.0.0'\nexport const again = 1" })).toMatchObject({ version: '1.0.0' })
})
