import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { runInThisContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { bundleModule, stopBundler, type Artifact } from './bundle.ts'
import type { BundleFault } from './bundler/faults.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'bulkhead-bundle-'))
})
afterAll(async () => {
  await stopBundler()
  await rm(root, { recursive: true })
})

async function folderOf(files: Record<string, string | Buffer>): Promise<string> {
  const folder = join(await mkdtemp(join(root, 'case-')), 'sample')
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  return folder
}

/** Registries that nobody can reach. */
const NOWHERE = { npmRegistry: 'http://127.0.0.1:1/', jsrRegistry: 'http://127.0.0.1:1/' }

const bundle = (folder: string, entry?: string): Promise<Artifact> =>
  bundleModule({ folder, cache: join(root, 'cache'), imports: NOWHERE, ...(entry === undefined ? {} : { entry }) })

async function faultsOf(folder: string, entry?: string): Promise<BundleFault[]> {
  const thrown = await bundle(folder, entry).catch((error: unknown) => error)
  const isRefusal = thrown instanceof BulkheadError && thrown.code === 'BUNDLE_FAILED'
  if (!isRefusal) throw new Error('no refusal', { cause: thrown })
  return thrown.details as BundleFault[]
}

/** Runs a bundle as an isolate does, but in this process. */
async function run({ code }: Artifact): Promise<Record<string, unknown>> {
  let namespace: Record<string, unknown> | undefined
  await runInThisContext(code)((exported: Record<string, unknown>) => {
    namespace = exported
  })
  if (!namespace) throw new Error('the bundle exported nothing')
  return namespace
}

describe('a bundle', () => {
  test('is one expression that runs the top level and hands over the namespace', async () => {
    const artifact = await bundle(
      await folderOf({
        'index.ts': `
          import { isStudent, type HookContext, HookResult } from '@bulkhead/sdk'
          import words from './words.json' with { type: 'json' }
          import { shout } from './lib/shout.ts'
          export const later = await Promise.resolve(shout(words.greeting))
          export default { handle: (ctx: HookContext): HookResult => ({ action: isStudent(ctx) ? 'skip' : 'block' }) }
        `,
        'lib/shout.ts': "import words from '../words.json'\nexport const shout = (text: string) => text + words.mark",
        'words.json': '{ "greeting": "hello", "mark": "!" }',
      }),
    )
    expect(artifact.code.startsWith('(async (__bulkhead_export) => {"use strict";\n')).toBe(true)
    expect(artifact.inputs).toEqual(['index.ts', 'lib/shout.ts', 'words.json'])
    expect(artifact.hash).toMatch(/^[0-9a-f]{64}$/)
    expect(await run(artifact)).toMatchObject({ later: 'hello!', default: { handle: expect.any(Function) } })
  })

  test('passes on what the top level throws', async () => {
    const artifact = await bundle(await folderOf({ 'index.ts': "await null\nthrow new RangeError('too far')" }))
    await expect(run(artifact)).rejects.toThrow('too far')
  })

  test('knows its place, and which file is the main one', async () => {
    const artifact = await bundle(
      await folderOf({
        'index.ts': `
          export { there } from './a b/other.ts'
          export const here = [import.meta.url, import.meta.main, import . meta.resolve('./b.ts'), import.meta.filename, import.meta.dirname]
          // import.meta in a comment of the last line`,
        'a b/other.ts': 'const all = import.meta\nexport const there = [all.url, import.meta.main]',
      }),
    )
    expect(await run(artifact)).toMatchObject({
      here: ['file:///sample/index.ts', true, 'file:///sample/b.ts', '/sample/index.ts', '/sample'],
      there: ['file:///sample/a%20b/other.ts', false],
    })
  })

  test('tells nothing of the host, in the code or in the map', async () => {
    const folder = await folderOf({
      'index.ts': `
        import { one } from './one.ts'
        import { isTeacher } from '@bulkhead/sdk'
        export const two = [one, isTeacher]`,
      'one.ts': 'export const one: number = 1',
    })
    const { code, map } = await bundle(folder)
    for (const path of [root, process.cwd(), folder]) {
      expect(code).not.toContain(path)
      expect(map).not.toContain(path)
    }
    const { sources, sourcesContent, sourceRoot } = JSON.parse(map)
    expect(sourceRoot).toBeUndefined()
    expect(sources.toSorted()).toEqual(['@bulkhead/sdk/helpers.ts', 'bulkhead:bundle', 'index.ts', 'one.ts'])
    expect(sourcesContent[sources.indexOf('one.ts')]).toBe('export const one: number = 1')
  })

  test('holds what is imported later, and imports nothing itself', async () => {
    const artifact = await bundle(
      await folderOf({
        'index.ts': "export const load = async () => (await import('./late.ts')).value",
        'late.ts': 'export const value = await Promise.resolve(7)',
      }),
    )
    expect(artifact.code).not.toMatch(/\bimport\b/)
    const { load } = await run(artifact)
    expect(await (load as () => Promise<number>)()).toBe(7)
  })

  test('supports what TypeScript and the newest JavaScript offer', async () => {
    const artifact = await bundle(
      await folderOf({
        'index.ts': `#!/usr/bin/env deno
          enum Level { Low = 1, High }
          function twice(value: unknown, _: unknown) { return (...args: number[]) => 2 * (value as Function)(...args) }
          class Sum { @twice add(a: number, b: number) { return a + b } accessor total = 3 }
          { using closing = { [Symbol.dispose]() { closed = true } } }
          var closed: boolean
          export const values = [Level.High, new Sum().add(1, 2), new Sum().total, closed!, this, typeof module]
          const __bulkhead_export = '})'
          export const text = __bulkhead_export satisfies string`,
      }),
    )
    expect(await run(artifact)).toMatchObject({ values: [2, 6, 3, true, undefined, 'undefined'], text: '})' })
  })

  test('is made of the first entry there is, or of the file that is named', async () => {
    const folder = await folderOf({ 'index.mjs': 'export default "mjs"', 'tools/other.js': 'export default "other"' })
    expect(await run(await bundle(folder))).toMatchObject({ default: 'mjs' })
    await writeFile(join(folder, 'index.ts'), 'export default "ts"')
    expect(await run(await bundle(folder))).toMatchObject({ default: 'ts' })
    expect(await run(await bundle(folder, './tools/other.js'))).toMatchObject({ default: 'other' })
  })

  test('heeds no settings that lie in the folder or above it', async () => {
    const compilerOptions = { paths: { '*': ['./evil.ts'] }, jsxFactory: 'evil', target: 'es5' }
    const settings = JSON.stringify({ compilerOptions })
    const folder = await folderOf({
      'index.ts': 'class A { x = 1 }\nexport const own = Object.hasOwn(new A(), "x")',
      'tsconfig.json': settings,
      '../tsconfig.json': settings,
      'package.json': '{ "type": "commonjs", "sideEffects": false, "browser": { "./index.ts": "./evil.ts" } }',
      'evil.ts': 'throw 1',
    })
    const artifact = await bundle(folder)
    expect(artifact.inputs).toEqual(['index.ts'])
    expect(artifact.code).toContain('x = 1;')
    expect(await run(artifact)).toMatchObject({ own: true })
  })

  test('has a map of its own, whatever maps its files bring', async () => {
    const map = { version: 3, sources: ['/etc/passwd'], sourcesContent: ['root'], names: [], mappings: 'AAAA' }
    const data = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`
    const folder = await folderOf({ 'index.js': `export const a = 1\n//# sourceMappingURL=${data}` })
    expect(JSON.parse((await bundle(folder)).map).sources).toEqual(['index.js', 'bulkhead:bundle'])
  })
})

describe('a module is refused', () => {
  const FOR_TESTS = 'cannot be imported by a module, it is for its tests'
  const UNKNOWN = 'is neither among the imports of deno.json nor among the dependencies of package.json'
  const WRITTEN_OUT = 'import() needs a path that is written out, so that the file can be bundled'
  const ACCEPTED = 'a module may import "./…" files of its own folder, "@bulkhead/sdk", and what npm:, jsr:, https:, node: and data: name'

  test.each([
    ["import 'npm:zod@3'", 'cannot fetch npm package "zod@3": the registry cannot be reached (ECONNREFUSED)'],
    ["import 'jsr:@std/path@1'", 'cannot fetch http://127.0.0.1:1/@std/path/meta.json, it cannot be reached (ECONNREFUSED)'],
    ["import 'jsr:path'", '"jsr:path" names no package, such as jsr:@scope/name@^1'],
    ["import 'node:fs'", '"node:fs" cannot be imported, a module has no disk; Deno.readTextFile reads the files of its own folder'],
    ["import 'node:fss'", '"node:fss" cannot be imported, Node has no such module'],
    ["import 'path'", `"path" ${UNKNOWN}, did you mean "node:path"?`],
    ["import 'https://127.0.0.1:1/x.ts'", 'cannot fetch https://127.0.0.1:1/x.ts, its address is not public'],
    ["import 'http://example.org/x.ts'", 'cannot fetch http://example.org/x.ts, it is not https:'],
    ["import 'data:text/plain,1'", /cannot be imported, it is none of/],
    ["import 'ftp://example.org/x.ts'", `"ftp://example.org/x.ts" cannot be imported; ${ACCEPTED}`],
    ["import '@bulkhead/skd'", `"@bulkhead/skd" ${UNKNOWN}, did you mean "@bulkhead/sdk"?`],
    ["import '@bulkhead/sdk/testing'", `"@bulkhead/sdk/testing" ${FOR_TESTS}; ${ACCEPTED}`],
    ["import '@bulkhead/sdk/../runtime/rpc.ts'", /cannot be imported by a module/],
    ["import '/etc/passwd'", `"/etc/passwd" is an absolute path; ${ACCEPTED}`],
    ["import 'file:///etc/passwd'", `"file:///etc/passwd" is an absolute path; ${ACCEPTED}`],
    ["import '../other.ts'", `"../other.ts" leads out of the module's folder; ${ACCEPTED}`],
    ["import './lib/../../other.ts'", /leads out of the module's folder/],
    ["import './help'", '"help" does not exist, did you mean "help.ts"?'],
    ["import './help.js'", '"help.js" does not exist, did you mean "help.ts"?'],
    ["import './lib/hlep.ts'", '"lib/hlep.ts" does not exist, did you mean "help.ts"?'],
    ["import './lib'", '"lib" is a folder, name the file in it'],
    ["import './notes.md'", '"notes.md" cannot be imported, it is none of .ts, .mts, .cts, .tsx, .js, .mjs, .cjs, .jsx, .json, .wasm; with { type: "text" } or "bytes" it can'],
    ["import './folder.ts'", '"folder.ts" is a folder, name the file in it'],
    ["import './latin.ts'", '"latin.ts" is not UTF-8 text'],
    ["import './notes.md' with { type: 'css' }", '"./notes.md" cannot be imported as "css", only as json, text, bytes'],
    ["import './help.ts' with { type: 'json' }", '"./help.ts" cannot be imported as "json", only .json files can'],
    ["import './notes.wasm'", '"notes.wasm" is no WebAssembly'],
    ["const name = './help.ts'\nawait import(name)", WRITTEN_OUT],
    ['const name = 1\ntry { await import(`./lib/${name}.ts`) } catch {}', WRITTEN_OUT],
    ['const name = 1\nawait import(`../../../../${name}`)', WRITTEN_OUT],
    ["const name = 1\nawait import('./../../../' + name)", WRITTEN_OUT],
    ['const name = 1\nrequire(`../../../../etc/${name}`)', WRITTEN_OUT],
    ["require('./help.ts')", 'require() is not available in a module, use import'],
    ["try { require('fs') } catch {}", 'require() is not available in a module, use import'],
    ["import { missing } from './help.ts'\nmissing()", /No matching export in "module:help.ts" for import "missing"/],
    ["import './page.tsx'", /"react\/jsx-runtime" is neither among/],
  ])('for %s', async (text, expected) => {
    const folder = await folderOf({
      'index.ts': text,
      'help.ts': 'export const help = 1',
      'lib/help.ts': 'export const help = 2',
      'notes.md': '# Notes',
      'notes.wasm': '# Notes',
      'folder.ts/x.ts': '',
      'page.tsx': '/** @jsxRuntime automatic */\nexport const page = <b />',
      'latin.ts': Buffer.from([0x2f, 0x2f, 0xe9]),
      '../other.ts': 'export {}',
    })
    const [fault] = await faultsOf(folder)
    if (typeof expected === 'string') expect(fault?.text).toBe(expected)
    else expect(fault?.text).toMatch(expected)
    expect(fault?.file).toMatch(/^(index.ts|page.tsx)$/)
    expect(JSON.stringify(fault)).not.toContain(root)
  })

  test('with the file, line and column of each fault', async () => {
    const folder = await folderOf({
      'index.ts': "import './lib/a.ts'\nimport './lib/b.ts'\n",
      'lib/a.ts': 'export const ok = 1\nexport const é = "é" +;\n',
      'lib/b.ts': "\n  import 'left-pad'\n",
    })
    const faults = await faultsOf(folder)
    expect(faults).toEqual([
      { text: 'Unexpected ";"', file: 'lib/a.ts', line: 2, column: 23, lineText: 'export const é = "é" +;' },
      { text: expect.any(String), file: 'lib/b.ts', line: 2, column: 10, lineText: "  import 'left-pad'" },
    ])
    await expect(bundle(folder)).rejects.toThrow(
      'cannot bundle the module: lib/a.ts:2:23 Unexpected ";"\nlib/b.ts:2:10 "left-pad" is neither among',
    )
  })

  test('with the last line where something was left open', async () => {
    expect(await faultsOf(await folderOf({ 'index.ts': 'if (true) {\n  call(1)\n' }))).toEqual([
      { text: 'Unexpected end of file', file: 'index.ts', line: 3, column: 1, lineText: '' },
    ])
    const open = await folderOf({ 'index.ts': 'const a = `never closed' })
    expect((await faultsOf(open))[0]).toMatchObject({ file: 'index.ts', line: 1 })
  })

  test('with no more than 20 faults, and lines cut short', async () => {
    const imports = Array.from({ length: 30 }, (_, index) => `import 'a${index}'\n`)
    expect(await faultsOf(await folderOf({ 'index.ts': imports.slice(0, 19).join('') }))).toHaveLength(19)
    expect(await faultsOf(await folderOf({ 'index.ts': imports.join('') }))).toHaveLength(20)
    const [long] = await faultsOf(await folderOf({ 'index.ts': `import '${'b'.repeat(500)}'` }))
    expect(long?.lineText).toHaveLength(200)
    expect(long?.text.length).toBeLessThan(500)
  })

  test.each([
    ['../outside.ts', '"../outside.ts" is not in the module\'s folder'],
    ['/etc/passwd', '"/etc/passwd" is not in the module\'s folder'],
    ['absent.ts', '"absent.ts" does not exist'],
  ])('whose entry is %s', async (entry, text) => {
    expect(await faultsOf(await folderOf({ 'index.ts': '' }), entry)).toEqual([{ text }])
  })

  test('that has no entry, or no folder', async () => {
    const none = 'the folder has none of index.ts, index.tsx, index.js, index.mjs'
    expect(await faultsOf(await folderOf({ 'main.ts': '' }))).toEqual([{ text: none }])
    expect(await faultsOf(join(root, 'nowhere'))).toEqual([{ text: 'the folder does not exist' }])
    expect(await faultsOf(join(root, 'nowhere'), 'a.ts')).toEqual([{ text: 'the folder does not exist' }])
  })

  test('that links out of its folder, by file or by folder', async () => {
    const text = "import './out/secret.ts'\nimport './file.ts'"
    const folder = await folderOf({ 'index.ts': text, '../secret.ts': 'export {}' })
    await symlink('..', join(folder, 'out'))
    await symlink('../secret.ts', join(folder, 'file.ts'))
    expect((await faultsOf(folder)).map(({ text }) => text)).toEqual([
      '"out/secret.ts" is a link that leads out of the module\'s folder',
      '"file.ts" is a link that leads out of the module\'s folder',
    ])
  })

  test('that is no use to anybody but may link within its folder', async () => {
    const folder = await folderOf({ 'index.ts': "export { a } from './linked.ts'", 'a.ts': 'export const a = 1' })
    await symlink('a.ts', join(folder, 'linked.ts'))
    expect(await run(await bundle(folder))).toMatchObject({ a: 1 })
  })

  const TOO_MUCH = /^(it cannot be bundled (in 1024 MB of memory|within 10000 ms)|the bundle is too large.*)$/

  test('that is made to be too much, and the next one is bundled as ever', { timeout: 60_000 }, async () => {
    const deep = await folderOf({ 'index.ts': '('.repeat(4_000_000) })
    const good = await folderOf({ 'index.ts': 'export const a = 1' })
    const [fault, artifact] = await Promise.all([faultsOf(deep), bundle(good)])
    expect(fault).toEqual([{ text: expect.stringMatching(TOO_MUCH) }])
    expect(await run(artifact)).toMatchObject({ a: 1 })
  })

  test('whose few constants double until they fill the memory', { timeout: 60_000 }, async () => {
    const doubled = Array.from({ length: 30 }, (_, index) => `A${index + 1} = \`\${A${index}}\${A${index}}\``)
    const folder = await folderOf({ 'index.ts': `enum E { A0 = 'x', ${doubled.join(', ')} }\nexport default E.A30` })
    expect(await faultsOf(folder)).toEqual([{ text: expect.stringMatching(TOO_MUCH) }])
  })

  test('whose files have more than 4 MB together', async () => {
    const padded = (bytes: number) => '//'.padEnd(bytes - 1, 'x') + '\n'
    const limit = 4 * 1024 * 1024
    const importing = "import './big.js'\n"
    const fits = await folderOf({ 'index.js': importing, 'big.js': padded(limit - importing.length) })
    expect((await bundle(fits)).inputs).toEqual(['big.js', 'index.js'])
    const tooLarge = await folderOf({ 'index.js': importing, 'big.js': padded(limit - importing.length + 1) })
    const [fault] = await faultsOf(tooLarge)
    expect(fault?.text).toBe("the module's files are too large, the limit is 4194304 bytes together")
  })

  test('that makes more than 4 MB of code', async () => {
    const used = (count: number) => `enum E { A = '${'x'.repeat(1000)}' }\nexport default [${'E.A,'.repeat(count)}]`
    expect((await bundle(await folderOf({ 'index.ts': used(4100) }))).code.length).toBeGreaterThan(4_100_000)
    const [fault] = await faultsOf(await folderOf({ 'index.ts': used(4200) }))
    expect(fault?.text).toBe('the bundle is too large, the limit is 4194304 bytes')
  })
})

describe('the cache', () => {
  const FILES = { 'index.ts': "import { a } from './a.ts'\nexport default a", 'a.ts': 'export const a = 1' }

  async function kept(): Promise<{ folder: string; cache: string; file: string; make(): Promise<Artifact> }> {
    const folder = await folderOf(FILES)
    const cache = join(folder, '../cache')
    const make = () => bundleModule({ folder, cache })
    await make()
    const [name] = await readdir(cache)
    return { folder, cache, file: join(cache, name ?? ''), make }
  }

  test('gives back what it kept while the files are unchanged', async () => {
    const { file, make } = await kept()
    const first = await make()
    const { mtimeMs, ino } = await stat(file)
    expect(await make()).toEqual(first)
    expect(await stat(file)).toMatchObject({ mtimeMs, ino })
  })

  test('notices a changed file, a lost one and one that became a link', async () => {
    const { folder, make } = await kept()
    await writeFile(join(folder, 'a.ts'), 'export const a = 2')
    expect(await run(await make())).toMatchObject({ default: 2 })
    await rename(join(folder, 'a.ts'), join(folder, '../a.ts'))
    await expect(make()).rejects.toThrow('"a.ts" does not exist')
    await symlink('../a.ts', join(folder, 'a.ts'))
    await expect(make()).rejects.toThrow("leads out of the module's folder")
  })

  test.each([
    ['cut short', (content: Buffer) => content.subarray(0, -1)],
    ['cut within its first line', (content: Buffer) => content.subarray(0, 30)],
    ['empty', () => Buffer.alloc(0)],
    ['longer', (content: Buffer) => Buffer.concat([content, Buffer.from(' ')])],
    ['another text', (content: Buffer) => Buffer.from(content.toString().replace('var a = 1', 'var a = 9'))],
  ])('never trusts an entry that is %s', async (_, damage) => {
    const { file, make } = await kept()
    const good = await make()
    await writeFile(file, damage(await readFile(file)))
    expect(await make()).toEqual(good)
    expect(await make()).toEqual(good)
  })

  test('keeps entries apart by folder, entry and name', async () => {
    const folder = await folderOf({ ...FILES, 'index.ts': 'export default import.meta.url' })
    const cache = join(folder, '../cache')
    const urls = []
    for (const name of ['one', 'two']) urls.push((await run(await bundleModule({ folder, cache, name })))['default'])
    expect(urls).toEqual(['file:///one/index.ts', 'file:///two/index.ts'])
    await bundleModule({ folder, cache, entry: 'a.ts' })
    expect(await readdir(cache)).toHaveLength(3)
  })

  test('bears many writers at once and leaves nothing but the entry', async () => {
    const folder = await folderOf(FILES)
    const cache = join(folder, '../cache')
    const artifacts = await Promise.all(Array.from({ length: 8 }, () => bundleModule({ folder, cache })))
    expect(new Set(artifacts.map(({ hash }) => hash)).size).toBe(1)
    expect(await readdir(cache)).toHaveLength(1)
  })

  test('costs a rebuild where it cannot be written', async () => {
    const folder = await folderOf({ ...FILES, '../file': 'in the way' })
    expect(await run(await bundleModule({ folder, cache: join(folder, '../file') }))).toMatchObject({ default: 1 })
  })
})

describe('the process that bundles', () => {
  test('can be stopped, also while it works, and comes back', async () => {
    const folder = await folderOf({ 'index.ts': 'export const a = 1' })
    const building = bundle(folder)
    await stopBundler()
    expect((await building).inputs).toEqual(['index.ts'])
    await writeFile(join(folder, 'index.ts'), 'export const a = 2')
    expect(await run(await bundle(folder))).toMatchObject({ a: 2 })
  })

  test('does not keep a program alive that never stops it', async () => {
    const folder = await folderOf({ 'index.ts': 'export const a = 1' })
    const program = `
      import { bundleModule } from ${JSON.stringify(new URL('./bundle.ts', import.meta.url).href)}
      const { hash } = await bundleModule(${JSON.stringify({ folder, cache: join(root, 'other-cache') })})
      console.log(hash)`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])
    expect(stdout).toMatch(/^[0-9a-f]{64}\n$/)
  })
})
