import { readFile } from 'node:fs/promises'
import { SourceMap } from 'node:module'
import { transform } from 'esbuild'
import { expect, test } from 'vitest'
import { decodeMappings, findOriginal } from './source-map.ts'

test('finds what the source map of Node itself finds', async () => {
  const text = await readFile(new URL('./source-map.ts', import.meta.url), 'utf8')
  const options = { loader: 'ts', sourcemap: 'external', sourcefile: 'a.ts', target: 'es2020' } as const
  const { code, map } = await transform(text, options)
  const mappings = decodeMappings(map)
  const reference = new SourceMap(JSON.parse(map))
  let found = 0
  for (const [line, content] of code.split('\n').entries()) {
    for (let column = 0; column < content.length; column++) {
      const expected = reference.findEntry(line, column)
      if (!('generatedLine' in expected) || expected.generatedLine !== line) continue
      found++
      expect(findOriginal(mappings, line + 1, column + 1)).toEqual({
        source: 'a.ts',
        line: expected.originalLine + 1,
        column: expected.originalColumn + 1,
      })
    }
  }
  expect(found).toBeGreaterThan(1000)
})

test.each(['', 'null', '{}', '[]', '{"sources":[],"mappings":"!"}', '{"sources":["a"],"mappings":7}', 'x'])(
  'the text %j maps nothing',
  (map) => {
    expect(findOriginal(decodeMappings(map), 1, 1)).toBeUndefined()
  },
)

test('what lies before the first mapping of a line, and on a line without any, is mapped to nothing', () => {
  const mappings = decodeMappings('{"version":3,"sources":["a.ts"],"names":[],"mappings":"EAAA;;CACA,C"}')
  expect(findOriginal(mappings, 1, 2)).toBeUndefined()
  expect(findOriginal(mappings, 1, 3)).toEqual({ source: 'a.ts', line: 1, column: 1 })
  expect(findOriginal(mappings, 2, 9)).toBeUndefined()
  expect(findOriginal(mappings, 3, 2)).toEqual({ source: 'a.ts', line: 2, column: 1 })
  expect(findOriginal(mappings, 3, 3)).toBeUndefined()
  expect(findOriginal(mappings, 4, 1)).toBeUndefined()
})
