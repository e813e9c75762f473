import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { operations } from '../operations/table.ts'
import { catalogueText, declarationOf } from './declaration.ts'
import { readArguments } from './arguments.ts'
import { examplesOf } from './help.ts'
import { DECLARATIONS } from './known.ts'
import { referenceText } from './reference.ts'

const text = (path: string) => readFile(new URL(path, import.meta.url), 'utf8')

test('commands and their reference are those of the operations there are: npm run docs writes them', async () => {
  const isFresh = (await text('catalogue.json')) === catalogueText(operations)
  expect(isFresh, 'api/cli/catalogue.json is stale, run npm run docs').toBe(true)
  expect((await text('../../docs/cli.md')) === (await referenceText()), 'docs/cli.md is stale, run npm run docs').toBe(true)
})

test.each(operations.map((operation) => [operation.name, operation] as const))('%s is a command that takes its own examples', (_, operation) => {
  const declaration = declarationOf(operation)
  for (const { line } of examplesOf(declaration)) {
    const words = [...line.matchAll(/'((?:[^']|'\\'')*)'|(\S+)/g)].map(([, quoted, plain]) => quoted?.replaceAll("'\\''", "'") ?? plain ?? '')
    expect(words.slice(0, 2)).toEqual(['bulkhead', operation.name])
    if (!words[2]?.startsWith('./')) expect(() => readArguments(declaration, words.slice(2))).not.toThrow()
  }
})

test('every operation can be asked for by its name', () => {
  const known = DECLARATIONS.map(({ name }) => name)
  expect(operations.map(({ name }) => name).filter((name) => !known.includes(name))).toEqual([])
})

test('a client starts without the runtime, the declarations and their validators', async () => {
  const entry = fileURLToPath(new URL('bulkhead.ts', import.meta.url))
  const { metafile } = await build({ entryPoints: [entry], bundle: true, splitting: true, format: 'esm', platform: 'node', outdir: '/out', write: false, metafile: true, packages: 'external', logLevel: 'silent' })
  const loaded = new Set<string>()
  const load = (path: string) => {
    if (loaded.has(path)) return
    loaded.add(path)
    for (const one of metafile.inputs[path]?.imports ?? []) if (one.kind === 'import-statement') load(one.external === true ? one.path : one.path)
  }
  const dispatch = Object.keys(metafile.inputs).find((path) => path.endsWith('api/cli/dispatch.ts'))
  load(dispatch ?? '')
  const foreign = [...loaded].filter((path) => !path.includes('api/cli/') && !path.startsWith('node:'))
  expect(foreign.map((path) => path.replace(/^(\.\.\/)+/, '')).toSorted()).toEqual(['api/domains.ts', 'api/request-for.ts', 'bridge/errors.ts', 'fast-string-truncated-width', 'package.json', 'runtime/nearest.ts'])
})
