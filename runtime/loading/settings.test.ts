import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleModule } from '../bundle.ts'
import { openWorkshop, runArtifact, type Workshop } from './loading.setup.ts'

let workshop: Workshop
beforeAll(async () => {
  workshop = await openWorkshop()
})
afterAll(() => workshop[Symbol.asyncDispose]())

const json = (value: unknown) => JSON.stringify(value)

describe('deno.json', () => {
  test('maps whole specifiers, beginnings of them, and absolute paths', async () => {
    const { values } = await workshop.run({
      'deno.json': json({ imports: { one: './lib/one.ts', 'lib/': './lib/', '/': './', 'lib/deep/': './deep/' } }),
      'index.ts': `
        import one from 'one'
        import two from 'lib/two.ts'
        import again from '/lib/two.ts'
        import deep from 'lib/deep/three.ts'
        export const values = [one, two, again, deep]`,
      'lib/one.ts': 'export default 1',
      'lib/two.ts': 'export default 2',
      'deep/three.ts': 'export default 3',
    })
    expect(values).toEqual([1, 2, 2, 3])
  })

  test('maps by the place of the importer', async () => {
    const { values } = await workshop.run({
      'deno.json': json({ imports: { it: './a.ts' }, scopes: { './inner/': { it: './b.ts' } } }),
      'index.ts': "import it from 'it'\nimport inner from './inner/index.ts'\nexport const values = [it, inner]",
      'inner/index.ts': "export { default } from 'it'",
      'a.ts': "export default 'a'",
      'b.ts': "export default 'b'",
    })
    expect(values).toEqual(['a', 'b'])
  })

  test('may be jsonc, with comments and commas, and may leave the map to a file of its own', async () => {
    const { value } = await workshop.run({
      'deno.jsonc': '{ // where things are\n "importMap": "./maps/imports.json", }',
      'maps/imports.json': json({ imports: { it: '../it.ts' } }),
      'index.ts': "export { default as value } from 'it'",
      'it.ts': 'export default 7',
    })
    expect(value).toBe(7)
  })

  test('says how JSX and decorators are meant', async () => {
    const files = { 'index.tsx': 'export const value = <p id="1">a{2}</p>' }
    const factory = "import { h } from './h.ts'\n"
    const h = { 'h.ts': 'export const h = (...all: unknown[]) => all\nexport const jsx = h\nexport const jsxs = h' }
    const classic = json({ compilerOptions: { jsx: 'react', jsxFactory: 'h' } })
    expect(await workshop.run({ ...h, 'deno.json': classic, 'index.tsx': factory + files['index.tsx'] })).toMatchObject({ value: ['p', { id: '1' }, 'a', 2] })
    const automatic = json({ compilerOptions: { jsx: 'react-jsx', jsxImportSource: 'ui' }, imports: { 'ui/jsx-runtime': './h.ts' } })
    expect(await workshop.run({ ...h, 'deno.json': automatic, ...files })).toMatchObject({ value: ['p', { id: '1', children: ['a', 2] }] })

    const pragma = { ...files, 'index.tsx': `/** @jsxImportSource ui */\n${files['index.tsx']}` }
    expect(await workshop.run({ ...h, 'deno.json': json({ imports: { 'ui/jsx-runtime': './h.ts' } }), ...pragma })).toMatchObject({ value: ['p', { id: '1', children: ['a', 2] }] })

    const decorated = 'const seen: unknown[] = []\nfunction note(...all: unknown[]) { seen.push(all.length) }\nclass A { @note go() {} }\nexport { seen, A }'
    expect(await workshop.run({ 'index.ts': decorated })).toMatchObject({ seen: [2] })
    const old = json({ compilerOptions: { experimentalDecorators: true, strict: false, lib: ['dom'] } })
    expect(await workshop.run({ 'deno.json': old, 'index.ts': decorated })).toMatchObject({ seen: [3] })
  })

  test('gives way to files that somebody else names', async () => {
    const folder = await workshop.folder({
      'deno.json': json({ imports: { it: './a.ts' } }), 'conf/other.json': json({ imports: { it: '../b.ts' } }), 'map.json': json({ imports: { it: './c.ts' } }),
      'index.ts': "export { default } from 'it'", 'a.ts': "export default 'a'", 'b.ts': "export default 'b'", 'c.ts': "export default 'c'",
    })
    const run = async (settings: { config?: string; importMap?: string }) => (await runArtifact(await bundleModule({ folder, cache: `${workshop.root}/cache`, settings })))['default']
    expect([await run({}), await run({ config: 'conf/other.json' }), await run({ importMap: './map.json' }), await run({ config: 'conf/other.json', importMap: 'map.json' })]).toEqual(['a', 'b', 'c', 'c'])
    await expect(run({ config: 'none.json' })).rejects.toThrow('there is no "none.json" in the folder')
  })

  test('lets endings be left out where it asks for that', async () => {
    const files = { 'index.ts': "import a from './a'\nimport b from './b.js'\nimport c from './c'\nexport const values = [a, b, c]", 'a.ts': 'export default 1', 'b.ts': 'export default 2', 'c/index.ts': 'export default 3' }
    expect(await workshop.run({ ...files, 'deno.json': json({ unstable: ['sloppy-imports'] }) })).toMatchObject({ values: [1, 2, 3] })
    expect((await workshop.faults(files))[0]?.text).toBe('"a" does not exist, did you mean "a.ts"?')
  })

  test.each([
    ['{ "imports": { "a": } }', 'it is no JSON: ValueExpected', 1, 21],
    ['[]', 'it is no JSON object', 1, 1],
    ['{\n  "import": {}\n}', '"import" is not known, did you mean "imports"?', 2, 3],
    ['{ "imports": [] }', '"imports" is no object of specifiers and what they stand for', 1, 3],
    ['{ "scopes": { "./a/": 1 } }', 'the scope "./a/" is no object of specifiers and what they stand for', 1, 15],
    ['{ "importMap": "./none.json" }', 'there is no import map at "none.json"', 1, 3],
    ['{ "importMap": "../up.json" }', 'there is no import map at "../up.json"', 1, 3],
    ['{ "compilerOptions": { "jsx": "preserve" } }', '"jsx" is none of react, react-jsx, react-jsxdev, precompile', 1, 24],
    ['{ "compilerOptions": { "emitDecoratorMetadata": true } }', '"emitDecoratorMetadata" is not supported, as types are not looked at', 1, 24],
  ])('is refused where it cannot be meant: %s', async (text, message, line, column) => {
    expect(await workshop.faults({ 'deno.json': text, 'index.ts': '' })).toEqual([expect.objectContaining({ text: message, file: 'deno.json', line, column })])
  })

  test('may hold what is for other tools', async () => {
    const others = { name: '@a/b', version: '1.0.0', exports: './index.ts', tasks: { dev: 'deno run x' }, fmt: {}, lint: {}, nodeModulesDir: 'auto', somethingNew: 1 }
    expect(await workshop.run({ 'deno.json': json(others), 'index.ts': 'export const a = 1' })).toMatchObject({ a: 1 })
  })

  test('makes another artifact when it changes, or comes to be', async () => {
    const { writeFile } = await import('node:fs/promises')
    const folder = await workshop.folder({ 'index.ts': "export { default } from 'it'", 'a.ts': 'export default 1', 'b.ts': 'export default 2' })
    await expect(workshop.bundle(folder)).rejects.toThrow('"it" is neither among the imports of deno.json')
    await writeFile(`${folder}/deno.json`, json({ imports: { it: './a.ts' } }))
    const first = await workshop.bundle(folder)
    await writeFile(`${folder}/deno.json`, json({ imports: { it: './b.ts' } }))
    const second = await workshop.bundle(folder)
    expect(second.inputs).toEqual(['b.ts', 'index.ts'])
    expect(first.hash).not.toBe(second.hash)
  })

  test('does not let a map lead out of the folder', async () => {
    const faults = await workshop.faults({ 'deno.json': json({ imports: { up: '../secret.ts', etc: 'file:///etc/passwd', none: 'somewhere' } }), 'index.ts': "import 'up'\nimport 'etc'\nimport 'none'", '../secret.ts': '' })
    expect(faults.map(({ text }) => text)).toEqual([
      expect.stringContaining('"up" leads out of the module\'s folder'),
      expect.stringContaining('"etc" leads out of the module\'s folder'),
      '"none" is mapped to what is no address',
    ])
  })
})

describe('files of other kinds', () => {
  test('are imported as JSON, text and bytes', async () => {
    const { values } = await workshop.run({
      'index.ts': `
        import data from './data.json' with { type: 'json' }
        import text from './note.md' with { type: 'text' }
        import source from './other.ts' with { type: 'text' }
        import bytes from './note.md' with { type: 'bytes' }
        const later = await import('./data.json', { with: { type: 'json' } })
        export const values = [data.a, text, source, [...bytes], bytes instanceof Uint8Array, later.default.a]`,
      'data.json': '{ "a": 1 }',
      'note.md': 'héy',
      'other.ts': 'const a: number = 1',
    })
    expect(values).toEqual([1, 'héy', 'const a: number = 1', [...Buffer.from('héy')], true, 1])
  })

  test('are imported as WebAssembly, which imports in its turn', async () => {
    const { values } = await workshop.run({
      'index.ts': "import { twice } from './lib/twice.wasm'\nexport const values = [twice(3)]",
      'lib/twice.wasm': TWICE,
      'lib/add.ts': 'export const add = (a: number, b: number) => a + b',
    })
    expect(values).toEqual([6])
    expect((await workshop.faults({ 'index.ts': "import { none } from './a.wasm'\nnone()", 'a.wasm': EMPTY }))[0]).toMatchObject({ file: 'index.ts', line: 1, text: expect.stringContaining('No matching export') })
  })

  test('are CommonJS by their ending', async () => {
    const { values } = await workshop.run({
      'index.ts': "import whole, { a } from './old.cjs'\nexport const values = [whole.a, a]",
      'old.cjs': "const { b } = require('./other.cjs')\nexports.a = b + 1",
      'other.cjs': 'module.exports = { b: 1 }',
    })
    expect(values).toEqual([2, 2])
  })

  test('are texts within the specifier', async () => {
    const { values } = await workshop.run({
      'index.ts': "import a from 'data:text/javascript,export default 1'\nimport b from 'data:application/json;base64,eyJiIjoyfQ==' with { type: 'json' }\nimport c from 'data:application/typescript,export default 3 as number'\nexport const values = [a, b.b, c]",
    })
    expect(values).toEqual([1, 2, 3])
  })
})

test('import.meta tells where a file is, and what a specifier means there', async () => {
  const { values, fault } = await workshop.run({
    'deno.json': json({ imports: { lib: './lib/main.ts', hono: 'npm:hono@4' } }),
    'index.ts': `
      const { url, main, filename, dirname } = import.meta
      export const values = [url, main, filename, dirname, import.meta.resolve('lib'), import.meta.resolve('./a b.ts'), import.meta.resolve('hono'), import.meta.resolve('https://x.test/a')]
      export let fault = ''
      try { import.meta.resolve('nothing') } catch (error) { fault = error.message }`,
  })
  const resolved = ['file:///sample/lib/main.ts', 'file:///sample/a%20b.ts', 'npm:hono@4', 'https://x.test/a']
  expect(values).toEqual(['file:///sample/index.ts', true, '/sample/index.ts', '/sample', ...resolved])
  expect(fault).toBe('Import "nothing" not a dependency and not in import map from "file:///sample/index.ts"')
})

const EMPTY = Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
// (module (import "./add.ts" "add" (func (param i32 i32) (result i32)))
//   (func (export "twice") (param i32) (result i32) local.get 0 local.get 0 call 0))
const TWICE = Uint8Array.from([
  ...EMPTY, 1, 12, 2, 0x60, 2, 0x7f, 0x7f, 1, 0x7f, 0x60, 1, 0x7f, 1, 0x7f, 2, 16, 1, 8, ...Buffer.from('./add.ts'), 3, ...Buffer.from('add'), 0, 0,
  3, 2, 1, 1, 7, 9, 1, 5, ...Buffer.from('twice'), 0, 1, 10, 10, 1, 8, 0, 0x20, 0, 0x20, 0, 0x10, 0, 0x0b,
])
